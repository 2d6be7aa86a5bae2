package campaign

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// apiActs are what a person does through the API. What stands there twice is done
// twice as often.
var apiActs = []string{"api attempt", "api attempt", "api assign", "api close", "api close", "api reopen", "api call"}

// staffActs are what a person does with the item in the EHR.
var staffActs = []string{"staff accept", "staff start", "staff hold", "staff put back", "staff complete", "staff complete", "staff cancel", "staff reopen",
	"staff owner", "staff priority", "staff note", "staff note"}

// Acts lists the acts that Config.Without may name.
func Acts() []string {
	all := slices.Concat(apiActs, staffActs)
	slices.Sort(all)
	return slices.Compact(all)
}

var (
	attemptResults = []string{"reached", "left-voicemail", "sms-sent", "no-answer", "busy"}
	// closings are outcomes that a person chooses; those of spam and duplicates cancel the item.
	closings   = []string{"answered-question", "patient-declined", "already-resolved", "referred-out", "duplicate", "spam"}
	priorities = []string{"routine", "urgent", "asap", "stat"}
)

// actAPI does what the script says, one after the other.
func (l *life) actAPI(ctx context.Context, script []string, random *rand.Rand) {
	for _, what := range script {
		if slices.Contains(l.cfg.Without, what) || !pause(ctx, time.Duration(random.Int64N(int64(maxPause)))) {
			continue
		}
		note := fmt.Sprintf("note %08x", random.Uint32())
		var err error
		switch what {
		case "api attempt":
			err = l.attempt(ctx, note, attemptResults[random.IntN(len(attemptResults))])
		case "api assign":
			err = l.assign(ctx, l.anOwner(random))
		case "api close":
			err = l.close(ctx, note, closings[random.IntN(len(closings))])
		case "api reopen":
			err = l.reopen(ctx, note)
		case "api call":
			err = l.callAgain(ctx)
		}
		if err != nil && !refused(err) && ctx.Err() == nil {
			l.mu.Lock()
			l.wrong("%s: %v", what, err)
			l.mu.Unlock()
		}
	}
}

func (l *life) anOwner(random *rand.Rand) string {
	names := owners(l.cfg.Owners)
	return names[random.IntN(len(names))]
}

// post changes the callback and returns what it is then. at is when that began.
func (l *life) post(ctx context.Context, action string, body object) (r record, again bool, at time.Time, err error) {
	at = time.Now()
	r, again, err = l.api(ctx, http.MethodPost, "/v1/callbacks/"+l.id+"/"+action, body)
	return r, again, at, err
}

func (l *life) attempt(ctx context.Context, note, result string) error {
	r, again, at, err := l.attemptOnce(ctx, note, result)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.tries = append(l.tries, note)
	l.mu.Unlock()
	e, ok := r.event("attempted", func(e event) bool { return e.Note == note })
	if !ok {
		return fmt.Errorf("the attempt does not stand in the timeline (asked again: %v)", again)
	}
	if e.From != e.To {
		l.did(act{what: "api attempt " + result, begin: at, end: time.Now(), status: e.To})
	}
	return nil
}

// attemptOnce records the attempt once, although an answer may be lost: one that is
// sent twice would be two.
func (l *life) attemptOnce(ctx context.Context, note, result string) (r record, again bool, at time.Time, err error) {
	at = time.Now()
	body := object{"result": result, "note": note}
	for {
		r, err = l.apiOnce(ctx, http.MethodPost, "/v1/callbacks/"+l.id+"/attempts", body)
		if err == nil || refused(err) {
			return r, again, at, err
		}
		again = true
		if r, _, err = l.api(ctx, http.MethodGet, "/v1/callbacks/"+l.id, nil); err != nil {
			return r, again, at, err
		}
		if slices.ContainsFunc(r.Attempts, func(a struct{ Note string }) bool { return a.Note == note }) {
			return r, again, at, nil
		}
	}
}

func (l *life) assign(ctx context.Context, owner string) error {
	r, _, at, err := l.post(ctx, "assign", object{"owner": owner})
	if err != nil {
		return err
	}
	_, ok := r.event("assigned", func(e event) bool {
		return e.By.Kind == "person" && e.Detail == "owner "+owner && !e.At.Before(at.Add(-time.Millisecond))
	})
	if ok { // else it was the owner already
		l.did(act{what: "api assign " + owner, begin: at, end: time.Now(), owner: owner})
	}
	return nil
}

func (l *life) close(ctx context.Context, note, outcome string) error {
	r, _, at, err := l.post(ctx, "close", object{"outcome": outcome, "note": note})
	if err != nil {
		return err
	}
	if _, ok := r.event("closed", func(e event) bool { return e.Note == note }); ok {
		l.did(act{what: "api close " + outcome, begin: at, end: time.Now(), status: closed, outcomes: []string{outcome}})
	}
	return nil
}

func (l *life) reopen(ctx context.Context, note string) error {
	r, _, at, err := l.post(ctx, "reopen", object{"reason": note})
	if err != nil {
		return err
	}
	if e, ok := r.event("reopened", func(e event) bool { return e.Note == note }); ok {
		l.did(act{what: "api reopen", begin: at, end: time.Now(), status: e.To, reopens: true})
	}
	return nil
}

// callAgain: the caller calls once more. It joins the callback, and opens it again
// if it is closed; of one that was closed as spam or as a duplicate it makes another.
func (l *life) callAgain(ctx context.Context) error {
	l.asked++
	text := strings.TrimSuffix(l.token, ".") + fmt.Sprintf(" call %d.", l.asked)
	at := time.Now()
	r, _, err := l.api(ctx, http.MethodPost, "/v1/callbacks", l.form(fmt.Sprintf("%d.%d", l.number, l.asked), text))
	if err != nil {
		return err
	}
	t, err := l.joined(ctx, r.ID, text)
	if t == nil || err != nil {
		return err
	}
	// The receipt has no timeline, and others may have acted: the event tells.
	if r, _, err = l.api(ctx, http.MethodGet, "/v1/callbacks/"+t.id, nil); err != nil {
		return err
	}
	a := act{what: "api call again", begin: at, end: time.Now(), calls: true}
	if _, ok := r.event("reopened", func(e event) bool { return e.By.Kind == "caller" && !e.At.Before(at.Add(-time.Millisecond)) }); ok {
		a.status, a.reopens = "in-progress", true
	}
	merged, ok := r.event("merged", func(e event) bool { return e.Note == text })
	if !ok {
		return fmt.Errorf("a further call (%s) does not stand in the timeline", text)
	}
	if strings.HasPrefix(merged.Detail, "call 2,") { // the first repeat raises the priority
		_, a.priority, _ = strings.Cut(merged.Detail, "priority ")
	}
	t.did(a)
	return nil
}

// joined returns the life that a further call has joined, nil if it made a callback
// of its own. Nobody acts on that one; it must be filed once all the same.
func (l *life) joined(ctx context.Context, id, text string) (*life, error) {
	if id == l.id {
		return l, nil
	}
	for _, o := range l.others {
		if o.id == id {
			return o, nil
		}
	}
	o := &life{campaign: l.campaign, number: l.number, who: l.who, token: text, id: id}
	l.others = append(l.others, o)
	o.begin(ctx)
	l.add(o)
	return nil, nil
}
