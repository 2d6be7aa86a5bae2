package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/jose"
	"github.com/ringback-health/ringback/internal/secretfile"
)

const (
	// keysSeen is how long a key must have been published before it signs. EHRs keep
	// the set for an hour, as they are told, or for a day, as some do whatever they
	// are told.
	keysSeen = 24 * time.Hour
	// keysKept is how long a key stays published after it has signed for the last
	// time. An assertion lives for five minutes at most; the rest is for a second
	// machine that gets its copy of the file later.
	keysKept = 24 * time.Hour
)

func newKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, rotate and publish the keys with which Ringback logs in to EHRs",
		Long: `The keys with which Ringback proves to EHRs who it is (SMART Backend Services,
private_key_jwt). They stand in the file that signing_keys_file in the
configuration names. The keys that the ledger is encrypted with are others.

Of each kind there is a current key, which signs, and a next one, which is
published already so that every EHR knows it before it signs.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newKeysGenerate(), newKeysRotate(), newKeysList(), newKeysPublish())
	return cmd
}

// signingKeys returns the configured file, or what to do without one.
func signingKeys(cmd *cobra.Command) (jose.File, error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return jose.File{}, err
	}
	if cfg.SigningKeysFile == "" {
		return jose.File{}, errors.New("the configuration names no file for signing keys; add the line: signing_keys_file: ringback.signing.json")
	}
	return jose.File{Path: cfg.Path(cfg.SigningKeysFile)}, nil
}

// publishedKeys returns what tells the public keys; nil where there are none.
func publishedKeys(cfg config.Config) func() ([]byte, error) {
	if cfg.SigningKeysFile == "" {
		return nil
	}
	return jose.File{Path: cfg.Path(cfg.SigningKeysFile)}.Public
}

func newKeysGenerate() *cobra.Command {
	var only string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Make the first keys",
		Long: `Make the first keys, for both algorithms that EHRs may ask for. A file that exists
is never overwritten.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := signingKeys(cmd)
			if err != nil {
				return err
			}
			var algorithms []jose.Algorithm
			if only != "" {
				algorithms = append(algorithms, jose.Algorithm(only))
			}
			set, err := jose.Generate(clock.System{}.Now(), algorithms...)
			if err != nil {
				return err
			}
			if err := set.Create(file.Path); err != nil {
				if errors.Is(err, fs.ErrExist) {
					return found("%s holds keys already; EHRs may know them. To replace them one by one: ringback keys rotate. "+
						"To begin anew, move the file away first", file.Path)
				}
				return err
			}
			return explainKeys(cmd.OutOrStdout(), file.Path, set)
		},
	}
	cmd.Flags().StringVar(&only, "alg", "", "make keys for this algorithm only: RS384 or ES384")
	return cmd
}

func explainKeys(w io.Writer, path string, set *jose.Set) error {
	fmt.Fprintf(w, "The keys are in %s, which only you can read. Keep a copy where you keep secrets.\n\n", path)
	if err := keysTable(w, set); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, `
Next:
1. Let the EHR know the public keys. Register this address as the JWK Set URL of the
   client (ringback serve answers there, without a token):
     https://YOUR-HOST/.well-known/jwks.json
   Or, where the EHR takes a file:  ringback keys publish --out ringback.jwks.json
2. In the settings of the EHR:      auth: {kind: private_key_jwt, client_id: THE-CLIENT-ID}
3. See whether it works:            ringback doctor

Rotate them once a year: ringback keys rotate
`)
	return err
}

func newKeysRotate() *cobra.Command {
	var keep time.Duration
	var force bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Let the next keys sign, and make new next ones",
		Long: `Let the next keys sign from now on, keep the old ones published for a while, and
make new next keys. A running ringback takes them up by itself.

It refuses while the next keys are younger than a day, because an EHR may not have
seen them yet and would refuse what they sign; --force goes on all the same.

When somebody else may have read the file, no key in it is good any more. Then move
the file away, run ringback keys generate, and register the new keys with the EHR.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := signingKeys(cmd)
			if err != nil {
				return err
			}
			set, err := jose.Load(file.Path)
			if err != nil {
				return err
			}
			now := clock.System{}.Now()
			if ready := set.NextSince().Add(keysSeen); now.Before(ready) && !force {
				return found("the next keys were made at %s, and an EHR may not have seen them yet; wait until %s, or use --force if every EHR knows them",
					stamp(set.NextSince()), stamp(ready))
			}
			if keep < 0 {
				return errors.New("--keep must not be negative")
			}
			rotated, err := set.Rotate(now, keep)
			if err != nil {
				return err
			}
			if err := rotated.Save(file.Path); err != nil {
				return err
			}
			return explainRotation(cmd.OutOrStdout(), rotated, now, keep)
		},
	}
	cmd.Flags().DurationVar(&keep, "keep", keysKept, "how long the old keys stay published")
	cmd.Flags().BoolVar(&force, "force", false, "although the next keys are younger than a day")
	return cmd
}

func explainRotation(w io.Writer, set *jose.Set, now time.Time, keep time.Duration) error {
	if err := keysTable(w, set); err != nil {
		return err
	}
	old := "The old keys are not published any more."
	if keep > 0 {
		old = fmt.Sprintf("The old keys stay published until %s.", stamp(now.Add(keep)))
	}
	_, err := fmt.Fprintf(w, `
What was next is current now; a running ringback signs with it at its next login.
%s

- EHRs that read /.well-known/jwks.json: nothing to do.
- EHRs that were given a file: give them the new one before the next rotation, which
  is possible from %s on:  ringback keys publish --out ringback.jwks.json
- Other machines with a copy of the keys: copy the file there.
`, old, stamp(now.Add(keysSeen)))
	return err
}

func newKeysList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys; the keys themselves are not shown",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := signingKeys(cmd)
			if err != nil {
				return err
			}
			set, err := jose.Load(file.Path)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{"items": set.List()})
			}
			return keysTable(cmd.OutOrStdout(), set)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func keysTable(w io.Writer, set *jose.Set) error {
	rows := [][]string{{"ALGORITHM", "STATE", "KEY", "MADE", "PUBLISHED UNTIL"}}
	for _, k := range set.List() {
		rows = append(rows, []string{string(k.Algorithm), string(k.State), k.ID, stamp(k.Created), stamp(k.PublishedUntil)})
	}
	return table(w, rows)
}

func newKeysPublish() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "publish",
		Short: "Write the public keys as a JWK Set, for EHRs that take a file",
		Long: `Write the public keys, current, next and lately retired, as a JWK Set: what
ringback serve shows at /.well-known/jwks.json. No private key is in it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return errors.New("--out: name a file; - is standard output")
			}
			file, err := signingKeys(cmd)
			if err != nil {
				return err
			}
			set, err := file.Public()
			if err != nil {
				return err
			}
			if out == "-" {
				_, err := cmd.OutOrStdout().Write(set)
				return err
			}
			if err := secretfile.Replace("publish the keys", out, 0o644, set); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The public keys are in %s. They are no secret.\n", out)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "-", "the `FILE` to write; - is standard output")
	return cmd
}
