package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// Keys are what the ledger's PHI is sealed and looked up with. Each of the two
// keysets may hold several keys: the primary one writes, all of them read.
// Without its keys a ledger cannot be read; keep a copy apart from the database.
type Keys struct {
	aead *keyset.Handle // seals values: AES-256-GCM
	hash *keyset.Handle // hashes for lookups: HMAC-SHA-256 as a PRF
}

// keysFile is the form of the file. The two members are cleartext Tink keysets,
// so the file's mode is what protects them.
type keysFile struct {
	AEAD json.RawMessage `json:"aead"`
	PRF  json.RawMessage `json:"prf"`
}

// GenerateKeys makes fresh keys, one in each keyset.
func GenerateKeys() (*Keys, error) {
	a, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, keysFault("make keys", "the key generator failed", err)
	}
	h, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return nil, keysFault("make keys", "the key generator failed", err)
	}
	return &Keys{aead: a, hash: h}, nil
}

// LoadKeys reads a file that SaveKeys wrote. It refuses one that others than its
// owner can read.
func LoadKeys(file string) (*Keys, error) {
	const op = "read the keys file"
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, keysFault(op, "there is no "+file, err).
			WithHint("restore it from your backup; for a new ledger, make one with: ringback migrate")
	}
	if err != nil {
		return nil, keysFault(op, file+" cannot be read", err).WithHint("the user that runs Ringback must own it")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, keysFault(op, file+" cannot be read", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, keysFault(op, fmt.Sprintf("%s can be read by others (mode %04o)", file, info.Mode().Perm()), nil).
			WithHint("run: chmod 600 " + file)
	}
	content, err := io.ReadAll(f)
	if err != nil {
		return nil, keysFault(op, file+" cannot be read", err)
	}
	k, err := parseKeys(content)
	if err != nil {
		return nil, keysFault(op, file+" holds no keys of a ledger", err).WithHint("restore it from your backup")
	}
	return k, nil
}

func parseKeys(content []byte) (*Keys, error) {
	var form keysFile
	if err := json.Unmarshal(content, &form); err != nil {
		return nil, err
	}
	a, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(form.AEAD)))
	if err != nil {
		return nil, err
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(form.PRF)))
	if err != nil {
		return nil, err
	}
	k := &Keys{aead: a, hash: h}
	_, err = newSealer(k)
	return k, err
}

// SaveKeys writes the keys to a file that does not exist yet, readable by its
// owner only, and returns when it is on disk. It never overwrites: the old keys
// may be the only ones that open a ledger.
func SaveKeys(file string, k *Keys) error {
	const op = "write the keys file"
	content, err := k.encode()
	if err != nil {
		return keysFault(op, "the keys cannot be encoded", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return keysFault(op, file+" exists and is not overwritten", err).
			WithHint("choose another name, or move it away if no ledger needs it")
	}
	if err != nil {
		return keysFault(op, file+" cannot be made", err).WithHint("its directory must exist and be writable")
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = syncDir(filepath.Dir(file))
	}
	if err != nil {
		return keysFault(op, file+" is incomplete", err).WithHint("remove it and try again")
	}
	return nil
}

func (k *Keys) encode() ([]byte, error) {
	one := func(h *keyset.Handle) (json.RawMessage, error) {
		var b bytes.Buffer
		err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&b))
		return b.Bytes(), err
	}
	var form keysFile
	var err error
	if form.AEAD, err = one(k.aead); err != nil {
		return nil, err
	}
	if form.PRF, err = one(k.hash); err != nil {
		return nil, err
	}
	content, err := json.MarshalIndent(form, "", "  ")
	return append(content, '\n'), err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func keysFault(op, what string, cause error) *fault.Error {
	return fault.New(fault.Permanent, op, what).Because(cause)
}

// Format writes the mark of redacted values whatever the verb.
func (k *Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// LogValue gives slog the mark.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(redact.Mark) }

// MarshalJSON gives encoders the mark; SaveKeys is the way to write keys.
func (k *Keys) MarshalJSON() ([]byte, error) { return json.Marshal(redact.Mark) }
