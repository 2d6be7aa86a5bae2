// Package secretfile reads and replaces files that hold a secret: signing keys, a
// refresh token. It refuses what others can read, never leaves half a file, and
// keeps two processes from replacing one file at the same time.
//
// What stands in a file is its owner's business.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ringback-health/ringback/internal/fault"
)

// Mode is that of a file with a secret: its owner reads and writes it, nobody else.
const Mode fs.FileMode = 0o600

// Read returns the content of a file that only its owner may read. The error is a
// *fault.Error; errors.Is(err, fs.ErrNotExist) tells that there is none.
func Read(op, file string) ([]byte, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failed(op, "there is no "+file, err)
	}
	if err != nil {
		return nil, failed(op, file+" cannot be read", err).WithHint("the user that runs Ringback must own it")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, failed(op, file+" cannot be read", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, failed(op, fmt.Sprintf("%s can be read by others (mode %04o)", file, info.Mode().Perm()), nil).
			WithHint("run: chmod 600 " + file)
	}
	content, err := io.ReadAll(f)
	if err != nil {
		return nil, failed(op, file+" cannot be read", err)
	}
	return content, nil
}

// Create writes a file that does not exist yet. errors.Is(err, fs.ErrExist) tells
// that it does; nothing was changed then.
func Create(op, file string, content []byte) error {
	p, err := Prepare(op, file, Mode)
	if err != nil {
		return err
	}
	defer p.Drop()
	if err := p.fill(content); err != nil {
		return err
	}
	// A link, unlike a rename, fails where something is.
	err = os.Link(p.temp.Name(), file)
	switch {
	case errors.Is(err, fs.ErrExist):
		return failed(op, file+" exists and is not overwritten", err).WithHint("choose another name, or move it away if nothing needs it")
	case err != nil:
		return failed(op, file+" cannot be made", err)
	}
	return p.settle()
}

// Replace puts content in the place of what file holds, all or nothing.
func Replace(op, file string, mode fs.FileMode, content []byte) error {
	p, err := Prepare(op, file, mode)
	if err != nil {
		return err
	}
	defer p.Drop()
	return p.Commit(content)
}

// Pending is a file that is about to be replaced. That it could be made says that
// its folder can be written to, before anything depends on it.
type Pending struct {
	op, file string
	temp     *os.File
}

// Prepare makes the file beside file that will take its place. Drop it when done.
func Prepare(op, file string, mode fs.FileMode) (*Pending, error) {
	temp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return nil, failed(op, file+" cannot be written", err).
			WithHint("its folder must exist and the user that runs Ringback must be able to write to it")
	}
	p := &Pending{op, file, temp}
	if err := temp.Chmod(mode); err != nil {
		p.Drop()
		return nil, failed(op, "the mode of "+file+" cannot be set", err)
	}
	return p, nil
}

// Commit writes content and returns when it stands on disk in the place of the old
// file. After an error the old file is as it was.
func (p *Pending) Commit(content []byte) error {
	if err := p.fill(content); err != nil {
		return err
	}
	if err := os.Rename(p.temp.Name(), p.file); err != nil {
		return failed(p.op, p.file+" cannot be replaced", err).
			WithHint("in a container, mount its folder and not the file alone")
	}
	return p.settle()
}

func (p *Pending) fill(content []byte) error {
	_, err := p.temp.Write(content)
	if err == nil {
		err = p.temp.Sync()
	}
	if err = errors.Join(err, p.temp.Close()); err != nil {
		return failed(p.op, p.file+" cannot be written", err).WithHint("look whether the disk is full")
	}
	return nil
}

// settle makes sure that the name survives a power failure too.
func (p *Pending) settle() error {
	dir, err := os.Open(filepath.Dir(p.file))
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return failed(p.op, p.file+" was written, and its folder cannot be synced", err)
	}
	return nil
}

// Drop removes what was prepared; after Commit it does nothing.
func (p *Pending) Drop() {
	_ = p.temp.Close() // a second close is no failure here
	_ = os.Remove(p.temp.Name())
}

func failed(op, what string, cause error) *fault.Error {
	return fault.New(fault.Permanent, op, what).Because(cause)
}
