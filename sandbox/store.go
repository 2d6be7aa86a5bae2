package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
)

// Resource is one version of one resource. It is a value: changing it changes
// nothing in the store, but Raw is shared and must not be written to.
type Resource struct {
	Type        string
	ID          string
	VersionID   string // "1", "2", …
	LastUpdated time.Time
	Raw         json.RawMessage // with id and meta; nil if Deleted
	Deleted     bool            // this version is the deletion
}

// Ref returns the resource's relative reference, "Task/17".
func (r Resource) Ref() string { return r.Type + "/" + r.ID }

// version is a Resource with what the searches and the history need.
type version struct {
	Resource
	method    string    // POST, PUT or DELETE: what made it
	committed time.Time // by the clock, for the index lag
	index     [][]value // by place in typeDef.params
}

// entry is one resource with all its versions, the oldest first.
type entry struct {
	number   int // counts entries in the order they were made
	versions []*version
}

func (e *entry) current() *version { return e.versions[len(e.versions)-1] }

// table holds the resources of one type.
type table struct {
	def  *typeDef
	byID map[string]*entry
	all  []*entry
	// identified leads from the value of an identifier to the entries of which any
	// version ever had it; the search still looks at the version itself.
	identified map[string][]*entry
}

// Store holds the resources of the sandbox, as JSON text with all versions. It is
// what stands behind the HTTP interface, for the demonstration's front desk and for
// tests: a change made through it cannot be told from one made over HTTP. It
// keeps the order and the text of members it does not know. References are not
// checked. Safe for concurrent use.
//
// meta.lastUpdated has milliseconds and is unique in the store: when the clock has
// not moved on since the last write, the time of that write plus one millisecond is
// taken. So a watermark on _lastUpdated misses nothing, and a burst of n writes can
// run up to n ms ahead of the clock.
type Store struct {
	clock  clock.Clock
	mu     sync.RWMutex
	tables map[string]*table
	last   time.Time // the lastUpdated given last
	nextID int       // the last id given to a resource that came without one
}

func newStore(c clock.Clock) *Store {
	s := &Store{clock: c, tables: map[string]*table{}, nextID: 1000}
	for _, def := range definitions {
		s.tables[def.name] = &table{def: def, byID: map[string]*entry{}, identified: map[string][]*entry{}}
	}
	return s
}

// Create stores raw as a new resource under an id of the store's choice. The error
// is a *Problem: 400 if raw is not valid.
func (s *Store) Create(raw []byte) (Resource, error) {
	d, err := prepare(raw, "")
	if err != nil {
		return Resource{}, err
	}
	return s.create(d), nil
}

func (s *Store) create(d draft) Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(d, s.newID(d.def), http.MethodPost)
}

// seed stores raw under its own id, or under a new one if it has none.
func (s *Store) seed(raw []byte) (Resource, error) {
	d, err := prepare(raw, "")
	if err != nil {
		return Resource{}, err
	}
	if d.id == "" {
		return s.create(d), nil
	}
	r, _, err := s.update(d, d.id, "", true)
	return r, err
}

// createUnless is Create, unless a resource matches q; then it returns that and
// false. Several matches are a 412. asOf is what q sees, zero for everything.
func (s *Store) createUnless(d draft, q query, asOf time.Time) (r Resource, created bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch found := s.find(q, asOf); len(found) {
	case 0:
		return s.commit(d, s.newID(d.def), http.MethodPost), true, nil
	case 1:
		return found[0].Resource, false, nil
	default:
		return Resource{}, false, problem(http.StatusPreconditionFailed, "multiple-matches", "more than one %s matches If-None-Exist", d.def.name)
	}
}

// Read returns the current version. The error is a *Problem: 404 if there never was
// such a resource, 410 if it was deleted.
func (s *Store) Read(typ, id string) (Resource, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, err := s.entry(typ, id)
	if err != nil {
		return Resource{}, err
	}
	if e.current().Deleted {
		return Resource{}, problem(http.StatusGone, "deleted", "%s/%s was deleted", typ, id)
	}
	return e.current().Resource, nil
}

// Update stores raw, which carries its id, as the next version of that resource.
// ifVersion, unless empty, must be the current VersionID. The error is a *Problem:
// 400 if raw is not valid, 404 or 410 if there is no such resource, 412 if its
// version is another one; read it again then.
func (s *Store) Update(raw []byte, ifVersion string) (Resource, error) {
	d, err := prepare(raw, "")
	if err != nil {
		return Resource{}, err
	}
	if d.id == "" {
		return Resource{}, problem(http.StatusBadRequest, "required", "the resource has no id, so there is nothing to update")
	}
	r, _, err := s.update(d, d.id, ifVersion, false)
	return r, err
}

// update is Update under an id; it creates what is not there if create is set, and
// says whether it did. The version "*" stands for any.
func (s *Store) update(d draft, id, ifVersion string, create bool) (r Resource, created bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.entry(d.def.name, id)
	there := err == nil && !e.current().Deleted
	if ifVersion != "" && (!there || ifVersion != "*" && ifVersion != e.current().VersionID) {
		return Resource{}, false, otherVersion(d.def.name, id)
	}
	switch {
	case there || create:
		return s.commit(d, id, http.MethodPut), !there, nil
	case err != nil:
		return Resource{}, false, err
	}
	return Resource{}, false, problem(http.StatusGone, "deleted", "%s/%s was deleted", d.def.name, id)
}

// Edit reads the resource, lets change make the new text of it and stores that; it
// starts again when somebody else wrote meanwhile. change must not keep or write to
// what it gets. An error of change is returned as it is and nothing is stored.
func (s *Store) Edit(typ, id string, change func(raw json.RawMessage) (json.RawMessage, error)) (Resource, error) {
	return s.edit(typ, id, "", change)
}

// edit is Edit if the current version is ifVersion; "" and "*" stand for any.
func (s *Store) edit(typ, id, ifVersion string, change func(json.RawMessage) (json.RawMessage, error)) (Resource, error) {
	for {
		before, err := s.Read(typ, id)
		if err != nil {
			return Resource{}, err
		}
		if ifVersion != "" && ifVersion != "*" && ifVersion != before.VersionID {
			return Resource{}, otherVersion(typ, id)
		}
		raw, err := change(before.Raw)
		if err != nil {
			return Resource{}, err
		}
		d, err := prepare(raw, typ)
		if err != nil {
			return Resource{}, err
		}
		if d.id != id {
			return Resource{}, problem(http.StatusBadRequest, "invalid", "the id of %s/%s cannot change", typ, id)
		}
		after, _, err := s.update(d, id, before.VersionID, false)
		if p := asProblem(err); p == nil || p.Status != http.StatusPreconditionFailed {
			return after, err
		}
	}
}

// Delete marks the resource as deleted; its versions stay. Deleting what is not
// there does nothing, as FHIR wants it. The error is a *Problem: 404 for a type the
// sandbox does not have.
func (s *Store) Delete(typ, id string) error { return s.delete(typ, id, "") }

func (s *Store) delete(typ, id, ifVersion string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(typ)
	if err != nil {
		return err
	}
	e := t.byID[id]
	there := e != nil && !e.current().Deleted
	if ifVersion != "" && (!there || ifVersion != "*" && ifVersion != e.current().VersionID) {
		return otherVersion(typ, id)
	}
	if there {
		s.append(t, e, &version{Resource: Resource{Type: typ, ID: id, Deleted: true}, method: http.MethodDelete})
	}
	return nil
}

// History returns all versions, the newest first. The error is a *Problem: 404 if
// there never was such a resource.
func (s *Store) History(typ, id string) ([]Resource, error) {
	versions, err := s.history(typ, id)
	if err != nil {
		return nil, err
	}
	return resources(versions), nil
}

func (s *Store) history(typ, id string) ([]*version, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, err := s.entry(typ, id)
	if err != nil {
		return nil, err
	}
	versions := slices.Clone(e.versions)
	slices.Reverse(versions)
	return versions, nil
}

// List returns what is there of a type, in the order it was created; nil for a type
// the sandbox does not have.
func (s *Store) List(typ string) []Resource {
	all, err := s.Search(typ, nil)
	if err != nil {
		return nil
	}
	return all
}

// Search returns all that matches, in one piece: _count and _total change nothing.
// It understands what /metadata names for the type. The error is a *Problem: 400
// for a parameter or value it does not understand, 404 for an unknown type.
func (s *Store) Search(typ string, params url.Values) ([]Resource, error) {
	t, err := s.table(typ)
	if err != nil {
		return nil, err
	}
	q, err := parseQuery(t.def, params, "", true)
	if err != nil {
		return nil, err
	}
	return resources(s.search(q, time.Time{})), nil
}

func (s *Store) search(q query, asOf time.Time) []*version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.find(q, asOf)
}

func resources(versions []*version) []Resource {
	out := make([]Resource, len(versions))
	for i, v := range versions {
		out[i] = v.Resource
	}
	return out
}

func (s *Store) table(typ string) (*table, error) {
	if t := s.tables[typ]; t != nil {
		return t, nil
	}
	return nil, problem(http.StatusNotFound, "not-supported", "this server does not have the resource type asked for")
}

func (s *Store) entry(typ, id string) (*entry, error) {
	t, err := s.table(typ)
	if err != nil {
		return nil, err
	}
	if e := t.byID[id]; e != nil {
		return e, nil
	}
	return nil, problem(http.StatusNotFound, "not-found", "there is no such %s", typ)
}

func otherVersion(typ, id string) error {
	return problem(http.StatusPreconditionFailed, "conflict", "the current version of %s/%s is another one, or there is none", typ, id)
}

func (s *Store) newID(def *typeDef) string {
	for {
		s.nextID++
		if id := strconv.Itoa(s.nextID); s.tables[def.name].byID[id] == nil {
			return id
		}
	}
}

// commit stores the draft as the next version under id. The caller holds the lock
// and has done all checks.
func (s *Store) commit(d draft, id, method string) Resource {
	t := s.tables[d.def.name]
	e := t.byID[id]
	if e == nil {
		e = &entry{number: len(t.all)}
		t.byID[id] = e
		t.all = append(t.all, e)
	}
	v := &version{Resource: Resource{Type: d.def.name, ID: id}, method: method, index: d.index}
	s.append(t, e, v)
	d.members.set("id", encode(id), "resourceType")
	meta, _ := parseObject(d.members.get("meta")) // prepare has seen that it is an object if it is there
	meta.set("versionId", encode(v.VersionID))
	meta.set("lastUpdated", encode(instant(v.LastUpdated)), "versionId")
	d.members.set("meta", meta.encode(), "id")
	v.Raw = d.members.encode()
	return v.Resource
}

// append gives v its version and time and makes it the current one.
func (s *Store) append(t *table, e *entry, v *version) {
	v.committed = s.clock.Now()
	s.last = later(v.committed.UTC().Truncate(time.Millisecond), s.last.Add(time.Millisecond))
	v.LastUpdated = s.last
	v.VersionID = strconv.Itoa(len(e.versions) + 1)
	e.versions = append(e.versions, v)
	if v.Deleted {
		return
	}
	v.index[idParam] = []value{{text: v.ID}}
	at := v.LastUpdated.UnixMilli()
	v.index[updatedParam] = []value{{from: at, until: at + 1}}
	for _, id := range v.index[identifierParam] {
		if !slices.Contains(t.identified[id.text], e) {
			t.identified[id.text] = append(t.identified[id.text], e)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// instant writes t as FHIR does, with milliseconds in UTC.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
