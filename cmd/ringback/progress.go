package main

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
)

// progress shows on a terminal how much of some files has been read.
type progress struct {
	w     io.Writer    // nil: nobody looks
	of    int64        // bytes
	done  atomic.Int64 // bytes; they are read ahead of the rows
	rows  int
	shown int // rows when it was last drawn
}

// newProgress returns a progress bar that is drawn only where w is a terminal.
func newProgress(w io.Writer) *progress {
	if !onTerminal(w) {
		w = nil
	}
	return &progress{w: w}
}

// count returns a reader that counts what is read of r.
func (p *progress) count(r io.Reader) io.Reader { return countingReader{r, p} }

type countingReader struct {
	r io.Reader
	p *progress
}

func (c countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.done.Add(int64(n))
	return n, err
}

// row counts a row, and now and then draws the bar.
func (p *progress) row() {
	p.rows++
	if p.w == nil || p.rows < p.shown+5000 {
		return
	}
	p.shown = p.rows
	const width = 40
	share := 1.0
	if p.of > 0 {
		share = min(1, float64(p.done.Load())/float64(p.of))
	}
	full := int(share * width)
	fmt.Fprintf(p.w, "\r[%s%s] %3.0f %%  %d rows ", strings.Repeat("#", full), strings.Repeat(".", width-full), 100*share, p.rows)
}

// end takes the bar away.
func (p *progress) end() {
	if p.w != nil && p.shown > 0 {
		fmt.Fprint(p.w, "\r\033[K")
	}
}
