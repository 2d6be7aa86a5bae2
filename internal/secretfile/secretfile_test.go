package secretfile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/secretfile"
)

const op = "keep a secret"

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := secretfile.Read(op, file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func TestCreateAndReplace(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if _, err := secretfile.Read(op, file); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
	if err := secretfile.Create(op, file, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := secretfile.Create(op, file, []byte("two")); !errors.Is(err, fs.ErrExist) || read(t, file) != "one" {
		t.Errorf("created over a file: %v", err)
	}
	if err := secretfile.Replace(op, file, secretfile.Mode, []byte("three")); err != nil || read(t, file) != "three" {
		t.Errorf("%v", err)
	}
	if err := secretfile.Replace(op, filepath.Join(dir, "public"), 0o644, []byte("x")); err != nil {
		t.Error(err)
	}
	for name, mode := range map[string]fs.FileMode{"token": 0o600, "public": 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if got := names(t, dir); got != "public token" {
		t.Errorf("left behind: %s", got)
	}
	if _, err := secretfile.Read(op, filepath.Join(dir, "public")); !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), "mode 0644); run: chmod 600 ") {
		t.Errorf("readable by others: %v", err)
	}
}

// TestAFailureLeavesTheOldContent: whatever goes wrong on the way.
func TestAFailureLeavesTheOldContent(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := secretfile.Create(op, file, []byte("old")); err != nil {
		t.Fatal(err)
	}
	p, err := secretfile.Prepare(op, file, secretfile.Mode)
	if err != nil {
		t.Fatal(err)
	}
	p.Drop() // what was prepared is gone when it comes to committing
	if err := p.Commit([]byte("new")); !fault.Is(err, fault.Permanent) || read(t, file) != "old" {
		t.Errorf("%v", err)
	}
	if _, err := secretfile.Prepare(op, filepath.Join(dir, "none", "token"), secretfile.Mode); err == nil || !strings.Contains(err.Error(), "folder must exist") {
		t.Errorf("no folder: %v", err)
	}
	if got := names(t, dir); got != "token" {
		t.Errorf("left behind: %s", got)
	}
}

func TestLock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	release, err := secretfile.Lock(t.Context(), op, file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := secretfile.Lock(ctx, op, file); !fault.Is(err, fault.Retry) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("locked twice: %v", err)
	}
	release()
	var inside atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			release, err := secretfile.Lock(t.Context(), op, file)
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if n := inside.Add(1); n != 1 {
				t.Errorf("%d are inside", n)
			}
			runtime.Gosched()
			inside.Add(-1)
		})
	}
	wg.Wait()
}
