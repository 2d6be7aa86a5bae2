package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/audit"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/calllog"
	"github.com/ringback-health/ringback/internal/auditreport"
)

// namedRows is how many damaged rows a report names for each file.
const namedRows = 20

// logReader reads the logs of an audit, one after the other, row by row.
type logReader struct {
	ctx      context.Context // it lives for one command
	files    []string
	plan     auditPlan
	flags    auditFlags
	progress *progress

	sources        []auditreport.Source
	columns        [][]phone.Column
	repeated, late int
}

// read reads every log and hands its sessions to add.
func (r *logReader) read(add func(calls.Session)) ([]auditreport.Source, error) {
	defer r.progress.end()
	for _, file := range r.files {
		info, err := os.Stat(file)
		if err != nil {
			return nil, fmt.Errorf("the call log cannot be read: %w", err)
		}
		r.progress.of += info.Size()
	}
	r.sources, r.columns = make([]auditreport.Source, len(r.files)), make([][]phone.Column, len(r.files))
	c := calls.NewCollector(r.plan.rules, len(r.files), func(s calls.Session) {
		r.sources[s.Log].Sessions++
		add(s)
	})
	content := false
	for i, file := range r.files {
		c.Begin()
		r.sources[i].File = filepath.Base(file)
		if err := r.readLog(i, file, c.Add); err != nil {
			return nil, err
		}
		content = content || !r.sources[i].Empty
	}
	c.Close()
	if !content {
		return nil, fmt.Errorf("%s: %w", strings.Join(r.files, ", "), phone.ErrEmpty)
	}
	r.repeated, r.late = c.Repeated(), c.Late()
	return r.sources, nil
}

// readLog reads one log.
func (r *logReader) readLog(i int, file string, add func(calls.Leg)) error {
	src := &r.sources[i]
	format, stream, done, err := r.open(file)
	if errors.Is(err, phone.ErrEmpty) {
		src.Empty = true
		return nil
	}
	if err != nil {
		return err
	}
	defer done()
	src.Format, src.Layout, r.columns[i] = format.Name(), stream.Layout, stream.Columns
	line := 0
	for row, err := range ahead(stream.Rows) {
		var damaged *phone.RowError
		switch {
		case errors.As(err, &damaged):
			src.Damaged++
			if len(src.Notes) < namedRows {
				src.Notes = append(src.Notes, damaged.Error())
			}
		case err != nil:
			return fmt.Errorf("%s: after line %d: %w", file, line, err)
		case row.Skip != "":
			src.Skipped++
		default:
			add(row.Leg)
			if t := row.Leg.Start; src.First.IsZero() || t.Before(src.First) {
				src.First = t
			}
			if t := row.Leg.Start; t.After(src.Last) {
				src.Last = t
			}
		}
		line = max(line, row.Line)
		src.Rows++
		r.progress.row()
	}
	if src.Damaged > len(src.Notes) {
		src.Notes = append(src.Notes, fmt.Sprintf("and %d more", src.Damaged-len(src.Notes)))
	}
	src.Warnings = stream.Warnings()
	if stream.Misdated != nil && stream.Misdated() && r.plan.zoneGuessed {
		return fmt.Errorf("%s: %s\nNothing was written. Say which zone its times are in with --zone or --utc", file, strings.Join(src.Warnings, "\n"))
	}
	for _, c := range stream.Columns {
		if c.Field == "" && c.Header != "" {
			src.Unused = append(src.Unused, c.Header)
		}
	}
	return nil
}

// readRow is what a stream yields.
type readRow struct {
	row phone.Row
	err error
}

// ahead yields the rows while the next ones are being read on another processor. When
// it has ended, so has the reading.
func ahead(rows iter.Seq2[phone.Row, error]) iter.Seq2[phone.Row, error] {
	const many = 256
	return func(yield func(phone.Row, error) bool) {
		batches, stop := make(chan []readRow, 4), make(chan struct{})
		go func() {
			defer close(batches)
			batch := make([]readRow, 0, many)
			for row, err := range rows {
				if batch = append(batch, readRow{row, err}); len(batch) < many {
					continue
				}
				select {
				case batches <- batch:
				case <-stop:
					return
				}
				batch = make([]readRow, 0, many)
			}
			select {
			case batches <- batch:
			case <-stop:
			}
		}()
		defer func() {
			close(stop)
			for range batches { // until the reading has ended
			}
		}()
		for batch := range batches {
			for _, b := range batch {
				if !yield(b.row, b.err) {
					return
				}
			}
		}
	}
}

// open finds the format of a log: the one the flags name, or the first that can read it.
func (r *logReader) open(file string) (phone.Format, *phone.Stream, func(), error) {
	formats := logFormats.Formats()
	if r.flags.format != "" {
		f, err := logFormats.Lookup(r.flags.format)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("--format: %w", err)
		}
		formats = []phone.Format{f}
	}
	opts := phone.Options{Zone: r.plan.zone, UTC: r.flags.utc, Region: r.plan.region}
	before := r.progress.done.Load()
	var reasons []string
	for _, f := range formats {
		in, err := os.Open(file)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("the call log cannot be read: %w", err)
		}
		r.progress.done.Store(before)
		stream, err := f.Parse(reader{r.ctx, r.progress.count(in)}, opts)
		if err == nil {
			return f, stream, func() { _ = in.Close() }, nil
		}
		_ = in.Close()
		if errors.Is(err, phone.ErrEmpty) || r.ctx.Err() != nil {
			return nil, nil, nil, err
		}
		reasons = append(reasons, fmt.Sprintf("as %s: %v", f.Name(), err))
	}
	return nil, nil, nil, fmt.Errorf("%s is no call log that this program reads.\n%s", file, strings.Join(reasons, "\n"))
}

// explain says what each column was taken for.
func (r *logReader) explain(w io.Writer) {
	for i, s := range r.sources {
		if s.Empty {
			fmt.Fprintf(w, "%s is empty.\n", s.File)
			continue
		}
		fmt.Fprintf(w, "%s: %s, %s\n", s.File, s.Format, s.Layout)
		for _, c := range r.columns[i] {
			field := c.Field
			if field == "" {
				field = "not used"
			}
			fmt.Fprintf(w, "  %-32q %s\n", c.Header, field)
		}
	}
}

// readVisits reads the export of appointments.
func readVisits(ctx context.Context, file string, plan auditPlan) ([]audit.Visit, auditreport.Source, error) {
	src := auditreport.Source{File: filepath.Base(file)}
	in, err := os.Open(file)
	if err != nil {
		return nil, src, fmt.Errorf("the appointments cannot be read: %w", err)
	}
	defer in.Close()
	list, err := calllog.ReadAppointments(reader{ctx, in}, phone.Options{Zone: plan.options.Calendar.Zone, Region: plan.region})
	if err != nil {
		return nil, src, fmt.Errorf("%s: %w", file, err)
	}
	visits := make([]audit.Visit, 0, len(list.List))
	for _, a := range list.List {
		visits = append(visits, audit.Visit{Numbers: a.Phones, Booked: a.Created, Start: a.Start})
	}
	src.Layout = fmt.Sprintf("%d cancelled, %d without a phone number", list.Cancelled, list.NoPhone)
	src.Rows, src.Skipped, src.Damaged = len(visits)+list.Cancelled+list.NoPhone+len(list.Explained), list.Cancelled+list.NoPhone, len(list.Explained)
	for _, n := range list.Explained[:min(len(list.Explained), namedRows)] {
		src.Notes = append(src.Notes, fmt.Sprintf("line %d: %s", n.Line, n.Reason))
	}
	if more := src.Damaged - len(src.Notes); more > 0 {
		src.Notes = append(src.Notes, fmt.Sprintf("and %d more", more))
	}
	return visits, src, nil
}

// localZone is the zone of this machine by its name, which a report must be able to
// say.
func localZone() (*time.Location, error) {
	name, set := os.LookupEnv("TZ")
	if target, err := filepath.EvalSymlinks("/etc/localtime"); !set && err == nil {
		_, name, _ = strings.Cut(filepath.ToSlash(target), "/zoneinfo/")
	}
	name = strings.TrimPrefix(name, ":")
	if name == "" || name == "Local" {
		if _, offset := time.Now().Zone(); offset != 0 {
			return nil, errors.New("the name of this machine's time zone cannot be found out; name the zone of the clinic with --zone, for example --zone America/Chicago")
		}
		return time.UTC, nil
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, errors.New("the name of this machine's time zone is not known; name the zone of the clinic with --zone, for example --zone America/Chicago")
	}
	return z, nil
}
