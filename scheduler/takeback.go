package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/ringback-health/ringback/callback"
)

// On PostgreSQL the jobs of a daemon that was killed count as running until River takes
// them for dead, a minute or more later, and nothing can be put in their place. What a
// daemon's own earlier life has left it can take back at once, if it is certain that
// this life has ended: whoever holds the lock on the identity's file is the only life
// of it, and the lock ends with the process. A job names the life that took it.

// identify takes the identity in a file, and makes one if there is none. Where that
// cannot be done the identity is empty: another daemon of this machine has it, or the
// folder cannot be written to.
func identify(path string, o Options) (id string, release func() error) {
	none := func() error { return nil }
	if path == "" || !locksHold {
		return "", none
	}
	release, err := lockFile(path)
	if err != nil {
		o.Logger.Info("jobs that this daemon leaves running when it is killed will wait a minute", "identity", path, "because", err.Error())
		return "", none
	}
	content, err := os.ReadFile(path)
	if _, broken := callback.ParseID(string(content)); err == nil && broken != nil {
		content = []byte(callback.NewID())
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		o.Logger.Info("jobs that this daemon leaves running when it is killed will wait a minute", "identity", path, "because", err.Error())
		return "", release
	}
	return string(content), release
}

// takeBack ends the jobs that earlier lives of this daemon have left running, and
// returns the feeds that were being read. The sweep finds the links by itself. What an
// earlier life has sent is looked for before it is sent again, as after any crash.
func (q *riverQueue[TTx]) takeBack(ctx context.Context) (feeds []FeedArgs, err error) {
	if q.identity == "" {
		return nil, nil
	}
	now := time.Now().UTC()
	all := now.Add(24 * time.Hour) // whatever the clock of an earlier life said
	jobs, err := q.exec.JobGetStuck(ctx, &riverdriver.JobGetStuckParams{Max: 10_000, StuckHorizon: all})
	if err != nil {
		return nil, fmt.Errorf("look for jobs of an earlier life: %w", err)
	}
	p := &riverdriver.JobRescueManyParams{StuckHorizon: all}
	for _, j := range jobs {
		if n := len(j.AttemptedBy); n == 0 || !strings.HasPrefix(j.AttemptedBy[n-1], q.identity+"/") {
			continue
		}
		why, err := json.Marshal(rivertype.AttemptError{At: now, Attempt: j.Attempt, Error: "the daemon died"})
		if err != nil {
			return nil, err
		}
		p.ID, p.Error, p.FinalizedAt = append(p.ID, j.ID), append(p.Error, why), append(p.FinalizedAt, &now)
		p.ScheduledAt, p.State = append(p.ScheduledAt, j.ScheduledAt), append(p.State, string(rivertype.JobStateDiscarded))
		var f FeedArgs
		if j.Kind == f.Kind() {
			if err := json.Unmarshal(j.EncodedArgs, &f); err != nil {
				return nil, fmt.Errorf("read a job of the queue: %w", err)
			}
			feeds = append(feeds, f)
		}
	}
	if len(p.ID) == 0 {
		return nil, nil
	}
	if _, err := q.exec.JobRescueMany(ctx, p); err != nil {
		return nil, fmt.Errorf("take back jobs of an earlier life: %w", err)
	}
	return feeds, nil
}
