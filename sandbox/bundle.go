package sandbox

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// pageParam carries the place in a result set in a next link.
const pageParam = "_page"

// maxResults is how many result sets are held for their next links; the oldest one
// goes first.
const maxResults = 500

// resultSet is what one search found, as it was then.
type resultSet struct {
	versions []*version
	size     int // of a page; 0: only the total is wanted
	total    bool
}

// pages holds the result sets that have more than one page, so that paging through
// one sees each match exactly once whatever is written meanwhile.
type pages struct {
	mu   sync.Mutex
	sets map[string]resultSet
	keys []string // of sets, the oldest first
}

// first returns the first page of a new result.
func (p *pages) first(set resultSet, base, typ, self string) []byte {
	if len(set.versions) <= set.size || set.size == 0 {
		return set.bundle(0, base, self, "")
	}
	key := rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sets == nil {
		p.sets = map[string]resultSet{}
	}
	if len(p.keys) == maxResults {
		delete(p.sets, p.keys[0])
		p.keys = p.keys[1:]
	}
	p.sets[key], p.keys = set, append(p.keys, key)
	return set.bundle(0, base, self, pageLink(base, typ, key, set.size))
}

// next returns the page a next link leads to; false if the result is not held, or
// is one of another type.
func (p *pages) next(token, base, typ string) ([]byte, bool) {
	key, place, _ := strings.Cut(token, ".")
	from, err := strconv.Atoi(place)
	p.mu.Lock()
	set, ok := p.sets[key]
	p.mu.Unlock()
	if !ok || err != nil || from <= 0 || from >= len(set.versions) || set.versions[0].Type != typ {
		return nil, false
	}
	next := ""
	if from+set.size < len(set.versions) {
		next = pageLink(base, typ, key, from+set.size)
	}
	return set.bundle(from, base, pageLink(base, typ, key, from), next), true
}

func pageLink(base, typ, key string, from int) string {
	return base + "/" + typ + "?" + pageParam + "=" + key + "." + strconv.Itoa(from)
}

// bundle writes the page that begins at from.
func (set resultSet) bundle(from int, base, self, next string) []byte {
	var b bundle
	b.open("searchset")
	if set.total {
		b.member("total", len(set.versions))
	}
	links := []link{{"self", self}}
	if next != "" {
		links = append(links, link{"next", next})
	}
	b.member("link", links)
	for _, v := range set.versions[from:min(from+set.size, len(set.versions))] {
		b.entry(base, v, `,"search":{"mode":"match"}`)
	}
	return b.close()
}

// historyBundle writes the versions of one resource, the newest first.
func historyBundle(versions []*version, base string) []byte {
	var b bundle
	b.open("history")
	b.member("total", len(versions))
	for _, v := range versions {
		url, status := v.Ref(), "200"
		switch {
		case v.method == http.MethodPost:
			url, status = v.Type, "201"
		case v.Deleted:
			status = "204"
		case v.VersionID == "1":
			status = "201"
		}
		b.entry(base, v, `,"request":`+string(encode(request{v.method, url}))+
			`,"response":`+string(encode(result{status, etag(v.Resource), instant(v.LastUpdated)})))
	}
	return b.close()
}

type link struct {
	Relation string `json:"relation"`
	URL      string `json:"url"`
}

type request struct {
	Method string `json:"method"`
	URL    string `json:"url"`
}

type result struct {
	Status       string `json:"status"`
	ETag         string `json:"etag"`
	LastModified string `json:"lastModified"`
}

// bundle writes a Bundle member by member, so that the text of a resource goes out
// as it is held.
type bundle struct {
	bytes.Buffer
	entries int
}

func (b *bundle) open(typ string) {
	b.WriteString(`{"resourceType":"Bundle","type":"` + typ + `"`)
}

func (b *bundle) member(name string, v any) {
	b.WriteString(`,"` + name + `":`)
	b.Write(encode(v))
}

// entry adds a version; rest are the members behind the resource, each with its comma.
func (b *bundle) entry(base string, v *version, rest string) {
	if b.entries++; b.entries == 1 {
		b.WriteString(`,"entry":[`) // an empty array is not valid FHIR
	} else {
		b.WriteByte(',')
	}
	b.WriteString(`{"fullUrl":`)
	b.Write(encode(base + "/" + v.Ref()))
	if !v.Deleted {
		b.WriteString(`,"resource":`)
		b.Write(v.Raw)
	}
	b.WriteString(rest + "}")
}

func (b *bundle) close() []byte {
	if b.entries > 0 {
		b.WriteByte(']')
	}
	b.WriteByte('}')
	return b.Bytes()
}

// unbundle returns the resources in a Bundle, or raw itself if it is none.
func unbundle(raw []byte) ([]json.RawMessage, error) {
	var b struct {
		ResourceType string `json:"resourceType"`
		Entry        []struct {
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, problem(http.StatusBadRequest, "structure", "a seed is not a JSON object")
	}
	if b.ResourceType != "Bundle" {
		return []json.RawMessage{raw}, nil
	}
	list := make([]json.RawMessage, len(b.Entry))
	for i, e := range b.Entry {
		list[i] = e.Resource
	}
	return list, nil
}
