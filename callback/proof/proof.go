// Package proof holds a phone system's own log of a day against the ledger, and the
// ledger against the EHR: carrier ⊆ ledger ⊆ work items. What is missing is named; what
// is there is listed with what became of it.
//
// It is pure. A proof holds no PHI: calls are named as the phone system names them.
package proof

import (
	"cmp"
	"slices"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
)

// Version is the form of a Proof, for whoever reads old ones.
const Version = 1

// Proof is one day of one phone system.
type Proof struct {
	Version int       `json:"ringback_proof"`
	Clinic  string    `json:"clinic"`
	Phone   string    `json:"phone"`
	Date    string    `json:"date"` // in Zone
	Zone    string    `json:"zone"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	MadeAt  time.Time `json:"made_at"`
	// Carrier says where the phone system's own log came from.
	Carrier string `json:"carrier"`

	// Inbound counts the calls from outside in the phone system's log; Kept how many of
	// them stand in the ledger.
	Inbound int `json:"inbound"`
	Kept    int `json:"kept"`
	// Callbacks counts the callbacks of the day's calls, Filed how many of them stand in
	// the EHR as well.
	Callbacks int `json:"callbacks"`
	// EHR says that the clinic has one; without one, callbacks belong nowhere else.
	EHR   bool `json:"ehr"`
	Filed int  `json:"filed"`

	// Missing are calls of the phone system's log that the ledger does not know.
	Missing []Missing `json:"missing"`
	// Unexplained are calls that have neither a callback nor a reason why not: they are
	// not judged yet, or could not be taken.
	Unexplained []Kept `json:"unexplained"`
	// NotFiled are callbacks that do not stand in the EHR.
	NotFiled []Kept `json:"not_filed"`
	// Beyond are calls that the ledger knows and the phone system's log does not tell of.
	Beyond []string `json:"beyond"`
	Calls  []Kept   `json:"calls"`
}

// Missing is a call that the ledger does not know.
type Missing struct {
	Call    string    `json:"call"`
	Began   time.Time `json:"began"`
	Verdict string    `json:"verdict"` // by the phone system's log
}

// Kept is a call that the ledger knows.
type Kept struct {
	Call     string    `json:"call"`
	Began    time.Time `json:"began"`
	Verdict  string    `json:"verdict"`
	Callback string    `json:"callback,omitempty"`
	Why      string    `json:"why,omitempty"` // there is none
	Status   string    `json:"status,omitempty"`
	Outcome  string    `json:"outcome,omitempty"`
	Items    []Item    `json:"items,omitempty"`
}

// Item is what stands in an EHR for a callback.
type Item struct {
	EHR   string `json:"ehr"`
	Type  string `json:"type"`
	ID    string `json:"id,omitempty"`
	State string `json:"state"`
}

// Day is what a proof is made of.
type Day struct {
	Clinic  callback.ClinicID
	Phone   callback.PhoneID
	Date    string
	Zone    *time.Location
	In      callback.Span
	Carrier string
	Log     []calls.Session // of the phone system, those of the day
	Ledger  []callback.Call // those of the day
	// Known are further calls of the ledger, by which a call is found that the two sides
	// have on different days.
	Known func(session string) bool
	// Record returns a callback of the ledger; ok is false where it has none.
	Record func(callback.ID) (r callback.Record, ok bool)
	// EHR says that the clinic has one, so that callbacks belong into it.
	EHR bool
}

// Of makes the proof of a day.
func Of(d Day, madeAt time.Time) Proof {
	p := Proof{Version: Version, Clinic: string(d.Clinic), Phone: string(d.Phone), Date: d.Date, Zone: d.Zone.String(), From: d.In.From, Until: d.In.Until,
		MadeAt: madeAt, Carrier: d.Carrier, EHR: d.EHR, Missing: []Missing{}, Unexplained: []Kept{}, NotFiled: []Kept{}, Beyond: []string{}, Calls: []Kept{}}
	kept := map[string]bool{}
	for _, c := range d.Ledger {
		kept[c.ID] = true
		p.add(d, c)
	}
	logged := map[string]bool{}
	for _, s := range d.Log {
		if logged[s.ID] || !s.Verdict.Inbound() {
			logged[s.ID] = true
			continue
		}
		logged[s.ID] = true
		p.Inbound++
		if kept[s.ID] || d.Known(s.ID) {
			p.Kept++
			continue
		}
		p.Missing = append(p.Missing, Missing{Call: s.ID, Began: s.StartedAt, Verdict: string(s.Verdict)})
	}
	for _, k := range p.Calls {
		if !logged[k.Call] {
			p.Beyond = append(p.Beyond, k.Call)
		}
	}
	slices.SortFunc(p.Missing, func(a, b Missing) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.Call, b.Call)) })
	slices.Sort(p.Beyond)
	for _, list := range [][]Kept{p.Calls, p.Unexplained, p.NotFiled} {
		slices.SortFunc(list, func(a, b Kept) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.Call, b.Call)) })
	}
	p.count()
	return p
}

// add adds a call of the ledger.
func (p *Proof) add(d Day, c callback.Call) {
	k := Kept{Call: c.ID, Began: c.StartedAt, Verdict: string(c.Verdict), Callback: string(c.Callback), Why: c.Why}
	if c.Callback == "" {
		if c.Why == "" || c.Verdict.NeedsCallback() && !c.SettlesAt.IsZero() {
			p.Unexplained = append(p.Unexplained, k)
		}
		p.Calls = append(p.Calls, k)
		return
	}
	filed := !d.EHR
	if r, ok := d.Record(c.Callback); ok {
		k.Status, k.Outcome = string(r.Status), string(r.Outcome)
		for _, l := range r.Links {
			k.Items = append(k.Items, Item{EHR: string(l.EHR), Type: string(l.Type), ID: l.RemoteID, State: string(l.State)})
			filed = filed || l.Type.IsWorkItem() && (l.RemoteID != "" || l.Type == callback.Worklist)
		}
	}
	if !filed {
		p.NotFiled = append(p.NotFiled, k)
	}
	p.Calls = append(p.Calls, k)
}

// count counts callbacks: several calls may be one.
func (p *Proof) count() {
	all, lacking := map[string]bool{}, map[string]bool{}
	for _, k := range p.Calls {
		if k.Callback != "" {
			all[k.Callback] = true
		}
	}
	for _, k := range p.NotFiled {
		lacking[k.Callback] = true
	}
	p.Callbacks, p.Filed = len(all), len(all)-len(lacking)
}

// Holds reports whether nothing is missing on the way from the phone system to the EHR.
func (p Proof) Holds() bool {
	return len(p.Missing)+len(p.Unexplained)+len(p.NotFiled) == 0
}
