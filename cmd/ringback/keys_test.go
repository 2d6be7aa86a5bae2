package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/jose"
)

const keysConfig = "signing_keys_file: keys/signing.json\n" + testConfig

// listed is what keys list --json shows.
type listed struct {
	Items []jose.Key `json:"items"`
}

func (l listed) id(t *testing.T, a jose.Algorithm, s jose.State) string {
	t.Helper()
	for _, k := range l.Items {
		if k.Algorithm == a && k.State == s {
			return k.ID
		}
	}
	t.Fatalf("no %s %s in %+v", s, a, l.Items)
	return ""
}

func TestKeys(t *testing.T) {
	c := newCLI(t, keysConfig)
	for _, args := range [][]string{{"list"}, {"rotate"}, {"publish"}} {
		if _, errOut := c.run(exitUsage, append([]string{"keys"}, args...)...); !strings.Contains(errOut, "ringback keys generate") {
			t.Errorf("%v without keys: %s", args, errOut)
		}
	}
	if _, errOut := c.run(exitUsage, "keys", "generate"); !strings.Contains(errOut, "folder must exist") {
		t.Errorf("no folder: %s", errOut)
	}
	if err := os.Mkdir(filepath.Join(c.dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, _ := c.run(exitDone, "keys", "generate")
	for _, want := range []string{filepath.Join(c.dir, "keys", "signing.json"), "/.well-known/jwks.json", "private_key_jwt", "RS384      current", "ES384      next"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if _, errOut := c.run(exitFound, "keys", "generate"); !strings.Contains(errOut, "holds keys already") {
		t.Errorf("a second time: %s", errOut)
	}
	var before, after listed
	c.runJSON(exitDone, &before, "keys", "list")
	if len(before.Items) != 4 || !before.Items[0].PublishedUntil.IsZero() {
		t.Errorf("%+v", before.Items)
	}

	if _, errOut := c.run(exitFound, "keys", "rotate"); !strings.Contains(errOut, "may not have seen them yet; wait until ") {
		t.Errorf("too early: %s", errOut)
	}
	out, _ = c.run(exitDone, "keys", "rotate", "--force", "--keep", "2h")
	if !strings.Contains(out, "stay published until ") {
		t.Error(out)
	}
	c.runJSON(exitDone, &after, "keys", "list")
	for _, a := range jose.Algorithms {
		if after.id(t, a, jose.Current) != before.id(t, a, jose.Next) || after.id(t, a, jose.Retired) != before.id(t, a, jose.Current) {
			t.Errorf("before %+v\nafter  %+v", before.Items, after.Items)
		}
	}

	public := filepath.Join(c.dir, "jwks.json")
	onScreen, _ := c.run(exitDone, "keys", "publish")
	if out, _ := c.run(exitDone, "keys", "publish", "--out", public); !strings.Contains(out, public) {
		t.Error(out)
	}
	raw, err := os.ReadFile(public)
	if err != nil || string(raw) != onScreen {
		t.Errorf("%v: the file is not what is shown", err)
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(raw, &set); err != nil || len(set.Keys) != 6 {
		t.Errorf("%v %d keys", err, len(set.Keys))
	}
	for _, k := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "ringback_state"} {
			if k[private] != nil {
				t.Errorf("%s is published", private)
			}
		}
	}
	if out, _ := c.run(exitDone, "keys", "rotate", "--force", "--keep", "0s"); !strings.Contains(out, "not published any more") {
		t.Error(out)
	}
	c.run(exitUsage, "keys", "rotate", "--force", "--keep", "-1s")
}

func TestKeysOfOneAlgorithm(t *testing.T) {
	c := newCLI(t, "signing_keys_file: signing.json\n"+testConfig)
	if _, errOut := c.run(exitUsage, "keys", "generate", "--alg", "HS256"); !strings.Contains(errOut, "RS384 and ES384") {
		t.Error(errOut)
	}
	c.run(exitDone, "keys", "generate", "--alg", "ES384")
	var l listed
	c.runJSON(exitDone, &l, "keys", "list")
	if len(l.Items) != 2 || l.Items[0].Algorithm != jose.ES384 {
		t.Errorf("%+v", l.Items)
	}
	if time.Since(l.Items[0].Created) > time.Minute {
		t.Errorf("made at %s", l.Items[0].Created)
	}
}

func TestKeysNeedAFile(t *testing.T) {
	if _, errOut := newCLI(t, testConfig).run(exitUsage, "keys", "list"); !strings.Contains(errOut, "add the line: signing_keys_file: ") {
		t.Error(errOut)
	}
}

// TestPublishToStandardOutput: - is standard output, and no file of that name.
func TestPublishToStandardOutput(t *testing.T) {
	c := newCLI(t, testConfig+"signing_keys_file: signing.json\n")
	c.run(exitDone, "keys", "generate", "--alg", "ES384")
	t.Chdir(c.dir)
	plain, _ := c.run(exitDone, "keys", "publish")
	dash, _ := c.run(exitDone, "keys", "publish", "--out", "-")
	if _, err := os.Stat("-"); err == nil || dash != plain || !strings.Contains(dash, `"keys"`) {
		t.Errorf("%v, %q, want %q", err, dash, plain)
	}
	c.run(exitUsage, "keys", "publish", "--out", "")
}
