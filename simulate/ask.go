package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/internal/redact"
)

// raise plans that somebody will want something and ask for it. Without patient and wish
// they are drawn.
func (w *world) raise(at time.Time, patient *person, of wish) {
	w.needs++
	n := &need{n: w.needs, r: stream(w.opts.Seed, w.clinic.Number, streamWish, w.needs), wish: of, patient: patient}
	w.at(at, func() error {
		w.decide(n)
		return w.ask(n, true)
	})
}

// decide draws who wants what.
func (w *world) decide(n *need) {
	r := n.r
	switch n.wish {
	case "":
		n.wish, n.topic = w.drawWish(r)
	case wantsAnswered:
		n.topic = pick(r, []callback.Category{callback.BenefitsBilling, callback.RecordsReferral, callback.Clinical})
	default:
		n.topic = callback.ExistingScheduling
	}
	switch {
	case n.patient != nil:
	case n.wish == wantsFirst:
		n.patient = w.newcomer(r)
	case n.wish == wantsMoved || n.wish == wantsCancel:
		n.old = w.upcoming(r)
		if n.old == nil {
			n.wish, n.topic, n.patient = wantsVisit, callback.ExistingScheduling, w.charted(r)
			break
		}
		n.patient = n.old.patient
	default:
		n.patient = w.charted(r)
	}
	n.caller = n.patient
	if adults := n.patient.home.adults(); !n.patient.adult && len(adults) > 0 {
		n.caller = pick(r, adults)
	}
	n.asked = w.now
	if n.patient.chart != "" && chance(r, rateSeenBefore) && !w.opts.Compressed {
		p, seen := n.patient, w.now.Add(-between(r, time.Hour, 3*time.Hour))
		w.inEHR(w.now.Add(between(r, 5*time.Minute, time.Hour)), func() error { return w.enterWalkIn(r, p, w.now.Sub(seen)) })
	}
}

func (w *world) drawWish(r *rand.Rand) (wish, callback.Category) {
	type both struct {
		wish  wish
		topic callback.Category
	}
	b := share(r,
		shared[both]{shareVisit, both{wantsVisit, callback.ExistingScheduling}},
		shared[both]{shareFirst, both{wantsFirst, callback.NewPatient}},
		shared[both]{shareReschedule, both{wantsMoved, callback.RescheduleCancel}},
		shared[both]{shareCancel, both{wantsCancel, callback.RescheduleCancel}},
		shared[both]{shareBenefits, both{wantsAnswered, callback.BenefitsBilling}},
		shared[both]{shareRecords, both{wantsAnswered, callback.RecordsReferral}},
		shared[both]{shareClinical, both{wantsAnswered, callback.Clinical}},
		shared[both]{shareQuestion, both{wantsAnswered, callback.Other}})
	return b.wish, b.topic
}

// newcomer returns somebody without a chart: a new household, or a child born to one.
func (w *world) newcomer(r *rand.Rand) *person {
	if chance(r, 0.2) {
		if h := pick(r, w.town.homes); len(h.adults()) > 0 {
			return w.town.person(h, h.people[0].truth.family, false)
		}
	}
	return pick(r, w.town.household().people)
}

// upcoming returns a visit that somebody may want to move.
func (w *world) upcoming(r *rand.Rand) *visit {
	soon := slices.DeleteFunc(slices.Clone(w.visits), func(v *visit) bool {
		return !v.stands || v.over || v.patient.test || v.start.Before(w.now.Add(26*time.Hour)) || v.start.After(w.now.AddDate(0, 0, 30))
	})
	if len(soon) == 0 {
		return nil
	}
	return pick(r, soon)
}

// ask sends a request of the need; first says that nobody has asked before. It plans what
// the person does besides waiting.
func (w *world) ask(n *need, first bool) error {
	if err := w.send(n); err != nil {
		return err
	}
	if !first {
		return nil
	}
	r := n.r
	if chance(r, rateRepeat) {
		w.at(w.now.Add(between(r, 10*time.Minute, 20*time.Hour)), func() error { return w.askAgain(n) })
	}
	if chance(r, rateSecondWish) {
		w.raise(w.now.Add(between(r, 5*time.Minute, 8*time.Hour)), n.patient, pick(r, []wish{wantsVisit, wantsAnswered}))
	}
	soon := between(r, time.Hour, 30*time.Hour)
	if chance(r, rateAtOnce) {
		soon = between(r, time.Minute, 4*time.Minute)
	}
	online := rateBooksOnline2
	if n.named {
		online = rateBooksOnline
	}
	switch draw := r.Float64(); {
	case n.patient.test || n.wish != wantsVisit && n.wish != wantsFirst:
		if draw < rateGetsThrough && !n.patient.test {
			w.inEHR(w.business(soon/3), func() error { return w.getsThrough(n) })
		}
	case draw < online:
		w.inEHR(w.now.Add(soon), func() error { return w.unlessArranged(n, "online") })
	case draw < online+rateGetsThrough:
		w.inEHR(w.business(soon/3), func() error { return w.getsThrough(n) })
	case draw < online+rateGetsThrough+rateWalksIn:
		w.inEHR(w.business(soon/3+30*time.Minute), func() error { return w.unlessArranged(n, "walk-in") })
	}
	return nil
}

func (w *world) askAgain(n *need) error {
	if n.arranged() {
		return nil
	}
	return w.send(n)
}

func (w *world) unlessArranged(n *need, how string) error {
	if n.arranged() {
		return nil
	}
	return w.bookFor(n, nil, how)
}

// send makes one request and gives it to the intake desk.
func (w *world) send(n *need) error {
	w.score.Requests++
	n.patient.home.asked = w.now
	sub := w.request(n)
	sub.Clinic, sub.ReceivedAt = string(w.clinic.ID), w.now
	if w.opts.Compressed {
		sub.ReceivedAt = time.Time{}
	}
	sub.SourceID = fmt.Sprintf("%s-%d", w.clinic.ID, w.score.Requests)
	sub.Raw = []byte(sub.SourceID)
	w.tell(n, "%s of %s asks (%s, told: %s) for %s: %s", sub.Source, n.caller.truth.name(), sub.SourceID, orNothing(string(n.told)), n.patient.truth.name(), n.wish)
	taken, err := w.bench.Take(w.ctx, sub)
	if err != nil {
		return fmt.Errorf("take %s: %w", sub.SourceID, err)
	}
	s := w.stories[taken.Callback.ID]
	if s == nil {
		s = &story{id: taken.Callback.ID, label: sub.SourceID, r: stream(w.opts.Seed, w.clinic.Number, streamStory, w.score.Requests)}
		s.rec.Callback = taken.Callback
		w.stories[s.id], w.order = s, append(w.order, s)
	}
	if !slices.Contains(s.needs, n) {
		s.needs = append(s.needs, n)
		n.stories = append(n.stories, s)
	}
	if !s.closedAt.IsZero() { // called again: it is open, for another reason than a lost visit
		s.closedAt, s.expects = time.Time{}, time.Time{}
	}
	s.handAt = time.Time{}
	w.touched = append(w.touched, s)
	s.rec.Status = taken.Callback.Status
	// The daemon polls all the time, so it knows what was booked by the time of the request.
	w.pollAt(w.tick(w.now.Add(15 * time.Second))).visits = true
	return w.deliver()
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// request writes what arrives. It sets what the request tells.
func (w *world) request(n *need) intake.Submission {
	r := n.r
	channel := share(r, shared[string]{shareForm, "form"}, shared[string]{shareVoicemail, "voicemail"}, shared[string]{shareMissedCall, "missed"})
	if n.patient.test {
		channel = "form"
	}
	if channel == "form" {
		return w.form(n)
	}
	sub := intake.Submission{Source: "phone", Phone: redact.NewText(n.caller.truth.phone)}
	if chance(r, rateWithheld) {
		sub.Phone, n.withheld = redact.NewText("anonymous"), true
	}
	if channel == "voicemail" {
		sub.Text = redact.NewText(pick(r, vague))
		if !chance(r, rateVague) {
			sub.Text = redact.NewText(pick(r, spoken[n.topic]))
			if n.topic != callback.Other {
				n.told = n.topic
			}
		}
	}
	return sub
}

// spoken is what people say on a voicemail about what they want. The last of a list may
// hold none of the words that triage knows.
var spoken = map[callback.Category][]string{
	callback.ExistingScheduling: {"Hi, I need to make an appointment with the doctor.", "I'd like to schedule a follow-up, please call me back.", "Could you book me in some time next week?"},
	callback.NewPatient:         {"Hello, I'm a new patient and would like to be seen.", "Are you accepting patients? It would be my first visit.", "Calling about a first appointment for us."},
	callback.RescheduleCancel:   {"I can't make it on my day, I need to reschedule.", "Please change my appointment, something came up.", "I have to cancel, please call me."},
	callback.BenefitsBilling:    {"I have a question about my bill.", "Is my insurance accepted for this?", "What will my copay be?"},
	callback.RecordsReferral:    {"Please send my records to the other office.", "I need a referral, can you call me?", "Could you fax the results?"},
	callback.Clinical:           {"My knee has been in pain since the exercise.", "She has a fever after the treatment, what should we do?"},
	callback.Other:              {"It's about the form you gave me.", "Can somebody call me about parking at your place?"},
}

// vague is what says nothing.
var vague = []string{"Hi, it's me, please call me back.", "Hello, can somebody call me? Thank you.", "Sorry I missed you."}

// form fills in the web form.
func (w *world) form(n *need) intake.Submission {
	r := n.r
	who := n.patient.truth
	who.phone = n.caller.truth.phone
	if n.caller != n.patient && chance(r, rateParentsData) {
		who = n.caller.truth
	}
	who = who.mistype(r)
	if chance(r, rateOtherPhone) {
		who.phone = fictional(1500 + r.IntN(400))
	}
	n.named = true
	sub := intake.Submission{Source: "webform", Name: redact.NewText(who.name()), Phone: redact.NewText(written(r, who.phone)), BirthDate: redact.NewText(who.born)}
	if chance(r, rateNoBirthDate) {
		sub.BirthDate = redact.Text{}
	}
	if n.patient.chart != "" && chance(r, rateFormMRN) {
		sub.MRN = redact.NewText(n.patient.mrn)
	}
	if chance(r, rateNoCategory) {
		sub.Text = redact.NewText(pick(r, vague))
	} else {
		sub.Category, n.told = string(n.topic), n.topic
	}
	if n.wish == wantsFirst {
		sub.NewPatient, n.told = callback.Yes, callback.NewPatient
	}
	if n.wish.bookable() && n.wish != wantsMoved && chance(r, ratePreferred) {
		start := w.slot(r, 1+r.IntN(8))
		sub.Preferred = []callback.Period{{Start: start, End: start.Add(3 * time.Hour)}}
	}
	return sub
}
