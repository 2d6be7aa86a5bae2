package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/server"
	"github.com/ringback-health/ringback/store"
)

// machine looks at the ledger and at where the daemon listens. It takes no lock: a
// daemon may be running.
func (d *diagnosis) machine(ctx context.Context, cfg config.Config) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	ledger, daemon := d.section("ledger"), d.section("daemon")
	st := d.ledger(ctx, ledger, cfg)
	if st == nil {
		daemon.skip("listen", "the API tokens stand in the ledger")
	} else {
		tokens, err := st.ListTokens(ctx)
		if err == nil {
			listen(daemon, cfg.Listen, len(tokens))
		} else {
			daemon.fail("listen", doctor.You, err)
		}
		if err := st.Close(); err != nil {
			ledger.fail("close", doctor.You, err)
		}
	}
	running(ctx, daemon, cfg.Listen)
}

// ledger opens the ledger and returns it; nil when it cannot be used.
func (d *diagnosis) ledger(ctx context.Context, say section, cfg config.Config) *store.Store {
	opts, err := storeOptions(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		say("database", doctor.Failed, doctor.You, err.Error(), "correct it in the configuration, or make the file or the variable")
		skipLedger(say, "it is not known where the database is", "keys", "schema", "write", "disk")
		return nil
	}
	keys, err := store.LoadKeys(opts.KeysFile)
	if err != nil {
		say.fail("keys", doctor.You, err)
		skipLedger(say, "the ledger cannot be read without its keys", "database", "schema", "write")
		disk(say, opts.DSN)
		return nil
	}
	say.ok("keys", "the keys of the ledger are there; keep a copy of "+opts.KeysFile+" apart from the database's backups")
	opts.Keys = keys
	st, err := store.Open(ctx, opts)
	var f *fault.Error
	switch {
	case errors.As(err, &f) && f.Op == "check the schema":
		say.ok("database", "the database can be reached")
		say.fail("schema", doctor.You, err)
		skipLedger(say, "the schema is not the one of this release", "write")
	case err != nil:
		say.fail("database", doctor.You, err)
		skipLedger(say, "the database cannot be used", "schema", "write")
	default:
		say.ok("database", "the database can be reached, and the keys are its own")
		say.ok("schema", "the schema is up to date")
		if err := st.Ping(ctx); err != nil {
			say.fail("write", doctor.You, err)
		} else {
			say.ok("write", "the database can be written to")
		}
	}
	disk(say, opts.DSN)
	return st
}

func skipLedger(say section, why string, checks ...string) {
	for _, c := range checks {
		say.skip(c, why)
	}
}

// How much space is little. A ledger that cannot grow takes no request.
const (
	diskLittle = 2 << 30
	diskNone   = 100 << 20
)

// disk looks at the space under a SQLite ledger.
func disk(say section, dsn string) {
	file, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		say.skip("disk", "PostgreSQL looks after its own disk")
		return
	}
	dir := filepath.Dir(file)
	if whole, err := filepath.Abs(dir); err == nil {
		dir = whole
	}
	free, err := diskFree(dir)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		say.skip("disk", "this machine does not tell how much is free")
	case err != nil:
		say("disk", doctor.Failed, doctor.You, "there is no directory "+dir, "make it, or correct database in the configuration")
	case free < diskNone:
		say("disk", doctor.Failed, doctor.You, fmt.Sprintf("%s free at %s: soon no request can be stored", size(free), dir), "free some space, or move the ledger")
	case free < diskLittle:
		say("disk", doctor.Warning, doctor.You, fmt.Sprintf("%s free at %s: that is little", size(free), dir), "free some space before it is used up")
	default:
		say.ok("disk", fmt.Sprintf("%s free at %s", size(free), dir))
	}
}

func size(n uint64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d MB", n>>20)
}

// listen holds the address against the tokens, as the daemon does when it starts.
func listen(say section, addr string, tokens int) {
	switch {
	case server.CheckListen(addr, tokens > 0) != nil:
		say("listen", doctor.Failed, doctor.You, "listen: "+addr+" is open to other machines, and there is no API token: the daemon refuses to start",
			"make a token with: ringback tokens create, or listen on 127.0.0.1")
	case tokens == 0:
		say("listen", doctor.Note, doctor.Nobody, addr+" is open to this machine only; there is no API token, so that everybody on it may use the API",
			"make one with: ringback tokens create")
	default:
		say.ok("listen", fmt.Sprintf("%s, with %s", addr, count(tokens, "API token")))
	}
}

// running asks whether a daemon runs already; that is as good as that none does.
func running(ctx context.Context, say section, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		say.skip("running", "the configuration names no port")
		return
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	at := net.JoinHostPort(host, port)
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
	if err != nil {
		say("running", doctor.Note, doctor.Nobody, "no daemon answers at "+at, "start it with: ringback serve")
		return
	}
	conn.Close() //nolint:errcheck // nothing was sent on it
	r, err := askReady(ctx, "http://"+at+"/readyz")
	switch {
	case err != nil:
		say("running", doctor.Warning, doctor.You, "something else than Ringback answers at "+at+": the daemon cannot listen there",
			"stop it, or set listen to another port")
	case !r.OK:
		say("running", doctor.Warning, doctor.You, "a daemon runs at "+at+" and is not ready", "see why with: ringback ready")
	default:
		say.ok("running", "a daemon runs at "+at+" and is ready")
	}
}
