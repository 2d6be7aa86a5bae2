package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/store"
	"github.com/ringback-health/ringback/store/storetest"
)

func TestKeysFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringback.keys.json")
	k := storetest.Keys(t)
	if err := store.SaveKeys(file, k); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
	before, _ := os.ReadFile(file)
	if _, err := store.LoadKeys(file); err != nil {
		t.Fatal(err)
	}

	refused(t, store.SaveKeys(file, storetest.Keys(t)), "exists", "another name")
	after, _ := os.ReadFile(file)
	if !bytes.Equal(before, after) {
		t.Error("the keys were overwritten")
	}
	refused(t, store.SaveKeys(filepath.Join(t.TempDir(), "no", "keys"), k), "cannot be made", "directory")

	for _, mode := range []os.FileMode{0o640, 0o604, 0o666} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		_, err := store.LoadKeys(file)
		refused(t, err, fmt.Sprintf("%04o", mode), "chmod 600 "+file)
	}
	_, err = store.LoadKeys(filepath.Join(t.TempDir(), "nothing"))
	refused(t, err, "there is no", "backup")
}

func TestDamagedKeysFile(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	if err := store.SaveKeys(whole, storetest.Keys(t)); err != nil {
		t.Fatal(err)
	}
	content, _ := os.ReadFile(whole)
	var form map[string]json.RawMessage
	if err := json.Unmarshal(content, &form); err != nil {
		t.Fatal(err)
	}
	swapped := fmt.Sprintf(`{"aead":%s,"prf":%s}`, form["prf"], form["aead"])
	for name, content := range map[string]string{
		"empty": "", "not json": "keys", "no keysets": "{}", "half": string(content[:len(content)/2]),
		"no prf": fmt.Sprintf(`{"aead":%s}`, form["aead"]), "swapped": swapped,
	} {
		file := filepath.Join(t.TempDir(), "keys")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := store.LoadKeys(file)
		if err == nil {
			t.Errorf("%s: it was taken for keys", name)
			continue
		}
		refused(t, err, file, "backup")
		for _, secret := range regexp.MustCompile(`"value":\s*"([^"]+)"`).FindAllStringSubmatch(content, -1) {
			if strings.Contains(err.Error(), secret[1]) {
				t.Errorf("%s: the error shows a key", name)
			}
		}
	}
}

func TestKeysCannotBePrinted(t *testing.T) {
	k := storetest.Keys(t)
	encoded, err := json.Marshal(struct{ K *store.Keys }{k})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "keys", k)
	printed := fmt.Sprintf("%v %+v %#v %s %q %s %s", k, k, k, k, k, encoded, log.String())
	for _, word := range []string{"aead", "type.googleapis", "0x"} {
		if strings.Contains(printed, word) {
			t.Errorf("keys are printed as %s", printed)
		}
	}
}

// refused checks that an error is for a person to act on and says the words.
func refused(t testing.TB, err error, words ...string) {
	t.Helper()
	if !fault.Is(err, fault.Permanent) {
		t.Errorf("error %v is %s, want permanent", err, fault.Of(err))
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}
