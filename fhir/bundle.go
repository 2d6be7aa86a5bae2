package fhir

import (
	"encoding/json"
	"fmt"
)

// Bundle is a page of resources, read leniently.
type Bundle struct {
	Type    string
	Total   *int // nil when the server does not count
	Entries []Entry
	Links   map[string]string // by relation: "self", "next"
}

// Entry is one entry of a bundle. One that is broken has Err set and does not
// spoil the others; a deleted one has no Resource.
type Entry struct {
	FullURL        string
	Resource       json.RawMessage // as received; nil when there is none
	ResourceType   string          // of Resource
	SearchMode     string          // "match", "include", "outcome"
	RequestMethod  string          // history: "DELETE" for a deletion
	RequestURL     string
	ResponseStatus string
	Err            error // the entry cannot be read; names the member
}

// ParseBundle reads a bundle. A body of another type is a *TypeError, with the
// codes of an OperationOutcome; a broken member outside the entries is a
// *MemberError.
func ParseBundle(raw []byte) (Bundle, error) {
	n, err := root(raw, "Bundle")
	if err != nil {
		return Bundle{}, err
	}
	b := Bundle{Type: n.str("type"), Links: map[string]string{}}
	if raw, ok := n.members["total"]; ok {
		var total int
		if json.Unmarshal(raw, &total) == nil { // a count that is no number counts nothing
			b.Total = &total
		}
	}
	for _, l := range each(n, "link", func(n node) [2]string { return [2]string{n.str("relation"), n.str("url")} }) {
		b.Links[l[0]] = l[1]
	}
	for i, raw := range n.list("entry") {
		b.Entries = append(b.Entries, parseEntry(i, raw))
	}
	if n.err() != nil {
		return Bundle{}, n.err()
	}
	return b, nil
}

func parseEntry(i int, raw json.RawMessage) Entry {
	path := fmt.Sprintf("Bundle.entry[%d]", i)
	all, err := members(raw)
	if err != nil {
		return Entry{Err: &MemberError{Path: path, Problem: err.Error()}}
	}
	n := newNode(path, all, &readState{})
	request := n.child("request")
	e := Entry{
		FullURL: n.str("fullUrl"), Resource: n.members["resource"],
		SearchMode:    n.child("search").str("mode"),
		RequestMethod: request.str("method"), RequestURL: request.str("url"),
		ResponseStatus: n.child("response").str("status"),
	}
	if e.Resource != nil {
		if e.ResourceType, err = ResourceType(e.Resource); err != nil {
			n.fail("resource", err.Error())
		}
	}
	e.Err = n.err()
	return e
}
