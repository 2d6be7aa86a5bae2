package campaign

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// life is one callback from the request on.
type life struct {
	*campaign
	number int
	random *rand.Rand
	who    person
	token  string  // the text of the request, which stands in the item
	asked  int     // further calls
	others []*life // callbacks that further calls have made

	mu      sync.Mutex // two people act at the same time
	id      string
	link    string // the marker
	before  view   // when both sides were last in step
	known   record // the last that the API has told
	acts    []act  // since then, in the order of each side
	notes   []string
	tries   []string // notes of attempts that were recorded
	endedAs string   // the status that staff last ended the item with

	trouble []string // what is wrong, each once
	itemID  string
}

// maxPause is the longest pause between two acts of the same person.
const maxPause = 60 * time.Millisecond

// play requests the callback and plays its rounds.
func (l *life) play(ctx context.Context) {
	if !l.request(ctx) {
		return
	}
	for range l.rounds() {
		mine, theirs := l.script(apiActs), l.script(staffActs)
		// Each person draws from a stream of their own: which of them is first must not
		// change what the other does.
		seeds := [2]uint64{l.random.Uint64(), l.random.Uint64()}
		var both sync.WaitGroup
		both.Go(func() { l.actAPI(ctx, mine, rand.New(rand.NewPCG(seeds[0], 1))) })
		both.Go(func() { l.actStaff(ctx, theirs, rand.New(rand.NewPCG(seeds[1], 2))) })
		both.Wait()
		patience, cancel := context.WithTimeout(ctx, l.cfg.RoundWithin)
		met := l.meet(patience, false)
		cancel()
		if !met {
			l.unmet.Add(1)
			return
		}
	}
}

// rounds draws how often people act on the callback; one in five is left alone.
func (l *life) rounds() int {
	if l.random.IntN(5) == 0 {
		return 0
	}
	return 1 + l.random.IntN(l.cfg.Rounds)
}

// script draws up to three acts.
func (l *life) script(from []string) (acts []string) {
	for range l.random.IntN(4) {
		acts = append(acts, from[l.random.IntN(len(from))])
	}
	return acts
}

// request asks for the callback, once or several times at once.
func (l *life) request(ctx context.Context) bool {
	times := 1
	if l.random.IntN(5) == 0 {
		times = 2 + l.random.IntN(3)
	}
	form := l.form(fmt.Sprintf("%d", l.number), l.token)
	got, errs := make([]record, times), make([]error, times)
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() { got[i], _, errs[i] = l.api(ctx, http.MethodPost, "/v1/callbacks", form) })
	}
	all.Wait()
	for i := range times {
		if errs[i] != nil {
			l.wrong("a request is refused: %v", errs[i])
			continue
		}
		if l.id != "" && l.id != got[i].ID {
			l.wrong("the same request made two callbacks, %s and %s", l.id, got[i].ID)
		}
		l.id = got[i].ID
	}
	return l.id != "" && l.begin(ctx)
}

// begin reads the callback for the first time.
func (l *life) begin(ctx context.Context) bool {
	r, _, err := l.api(ctx, http.MethodGet, "/v1/callbacks/"+l.id, nil)
	if err != nil {
		l.wrong("taken, and it cannot be read: %v", err)
		return false
	}
	item, ok := r.item()
	if !ok {
		l.wrong("there is no link to a work item")
		return false
	}
	l.known, l.before, l.link = r, r.view(), item.LinkID
	return true
}

// form is what a web form sends.
func (l *life) form(id, text string) object {
	return object{
		"source": "campaign-" + l.run, "source_id": id, "clinic": l.cfg.Clinic, "category": "existing-scheduling", "text": text,
		"caller": object{"name": l.who.name(), "phone": l.who.phone, "birth_date": l.who.birthDate},
	}
}

// meet waits until both sides are in step, and judges what has become of the round
// then. final says that the faults have ended: not to get in step is a fault now.
func (l *life) meet(ctx context.Context, final bool) bool {
	if l.link == "" {
		return false // never begun, which has been said
	}
	wait, why := 250*time.Millisecond, ""
	for {
		r, item, step := l.look(ctx)
		if step == "" {
			l.judged(r, item)
			return true
		}
		if ctx.Err() == nil {
			why = step
		}
		if !pause(ctx, wait) {
			if final {
				l.wrong("not in step: %s", why)
			}
			return false
		}
		wait = min(wait*3/2, 2*time.Second)
	}
}

// hasten does what an operator does who knows that the trouble is over: it ends the
// wait before the next try. One that is stuck stays so.
func (l *life) hasten(ctx context.Context) {
	r, _, err := l.api(ctx, http.MethodGet, "/v1/callbacks/"+l.id, nil)
	if k, _ := r.item(); err == nil && k.Status != "stuck" && k.Status != "discarded" && k.Holds != r.Revision {
		_, _, err = l.api(ctx, http.MethodPost, "/v1/links/"+k.LinkID+"/retry", nil)
	}
	if err != nil && l.link != "" {
		l.wrong("end the wait: %v", err)
	}
}

// look reads both sides. step says why they are not in step, "" if they are.
func (l *life) look(ctx context.Context) (r record, item object, step string) {
	r, _, err := l.api(ctx, http.MethodGet, "/v1/callbacks/"+l.id, nil)
	if err != nil {
		return r, nil, err.Error()
	}
	k, _ := r.item()
	l.itemID = k.ID
	if k.Status != "synced" || k.ID == "" || k.Holds != r.Revision {
		return r, nil, fmt.Sprintf("the link is %s, holds revision %d of %d; its last error: %s", k.Status, k.Holds, r.Revision, k.LastError)
	}
	item, err = l.read(ctx, k.ID)
	if err != nil {
		return r, nil, err.Error()
	}
	if version(item) != k.Version {
		return r, nil, fmt.Sprintf("Ringback knows version %s of the item, and it is %s", k.Version, version(item))
	}
	return r, item, ""
}

// judged holds a callback that is in step against the round and against its item.
func (l *life) judged(r record, item object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	got := r.view()
	if w := judge(l.before, l.acts, got); len(w) > 0 {
		l.wrong("%v; before %+v; acts: %s", w, l.before, told(l.acts))
	}
	for _, w := range compare(r, item, l.expectation()) {
		l.wrong("%s", w)
	}
	l.before, l.known, l.acts = got, r, nil
}

// wrong remembers what is wrong, once.
func (l *life) wrong(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, known := range l.trouble {
		if known == text {
			return
		}
	}
	l.trouble = append(l.trouble, text)
}

func told(acts []act) (text string) {
	for _, a := range acts {
		text += fmt.Sprintf("\n      %s–%s %s", a.begin.Format("05.000"), a.end.Format("05.000"), a.what)
	}
	return text
}

// did remembers an act that was carried out.
func (l *life) did(a act) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.campaign.acts.Add(1)
	l.acts = append(l.acts, a)
}
