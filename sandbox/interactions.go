package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// call is one request to the FHIR interface.
type call struct {
	*Server
	r      *http.Request
	effect effect
	base   string // FHIR base URL, for links
	typ    string
	id     string
	vid    string
}

// interaction is one thing a client can do; the code is FHIR's, the letter that of
// the SMART scope it needs.
type interaction struct {
	code   string
	letter string
	do     func(*call) response
}

// The interactions by kind of path and method. /metadata and the Allow header are
// made from them.
var (
	typeLevel = map[string]interaction{
		http.MethodGet:  {"search-type", "s", (*call).searchGet},
		http.MethodPost: {"create", "c", (*call).create},
	}
	searchLevel = map[string]interaction{
		http.MethodPost: {"search-type", "s", (*call).searchPost},
	}
	instanceLevel = map[string]interaction{
		http.MethodGet:    {"read", "r", (*call).read},
		http.MethodPut:    {"update", "u", (*call).update},
		http.MethodPatch:  {"patch", "u", (*call).patch},
		http.MethodDelete: {"delete", "d", (*call).delete},
	}
	historyLevel = map[string]interaction{
		http.MethodGet: {"history-instance", "r", (*call).history},
	}
	versionLevel = map[string]interaction{
		http.MethodGet: {"vread", "r", (*call).vread},
	}
)

// fhir answers what is below BasePath.
func (s *Server) fhir(r *http.Request, e effect) response {
	c := &call{Server: s, r: r, effect: e, base: s.root(r) + BasePath}
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, BasePath), "/")
	open := map[string]func(*call) response{
		"metadata":                        (*call).metadata,
		".well-known/smart-configuration": (*call).smartConfiguration,
	}[path]
	if open != nil {
		return c.method(map[string]interaction{http.MethodGet: {do: open}}, false)
	}
	level := c.resolve(strings.Split(path, "/"))
	if level == nil {
		return refuse(problem(http.StatusNotFound, "not-supported", "no such resource type or path; see %s/metadata", BasePath))
	}
	return c.method(level, s.options.RequireAuth)
}

// resolve reads the path into type, id and version and returns what can be done there.
func (c *call) resolve(parts []string) map[string]interaction {
	if c.typ = parts[0]; !slices.Contains(c.options.Types, c.typ) {
		return nil
	}
	if len(parts) == 1 {
		return typeLevel
	}
	if len(parts) == 2 && parts[1] == "_search" {
		return searchLevel
	}
	if c.id = parts[1]; !idPattern.MatchString(c.id) {
		return nil
	}
	switch {
	case len(parts) == 2:
		return instanceLevel
	case parts[2] != "_history" || len(parts) > 4:
		return nil
	case len(parts) == 3:
		return historyLevel
	default:
		c.vid = parts[3]
		return versionLevel
	}
}

func (c *call) method(level map[string]interaction, needsToken bool) response {
	name := c.r.Method
	if name == http.MethodHead {
		name = http.MethodGet
	}
	what, ok := level[name]
	if !ok {
		out := refuse(problem(http.StatusMethodNotAllowed, "not-supported", "the method is not supported here"))
		for allowed := range level {
			out.header.Add("Allow", allowed)
		}
		return out
	}
	if needsToken {
		if out, ok := c.authorize(what.letter); !ok {
			return out
		}
	}
	if !acceptsJSON(c.r.Header.Get("Accept")) {
		return refuse(problem(http.StatusNotAcceptable, "not-supported", "this server answers in %s only", typeFHIR))
	}
	return what.do(c)
}

func acceptsJSON(accept string) bool {
	return accept == "" || strings.Contains(accept, "json") || strings.Contains(accept, "*/*") || strings.Contains(accept, "application/*")
}

func (c *call) create() response {
	body, err := readBody(c.r, typeFHIR, typeJSON)
	if err != nil {
		return refuse(err)
	}
	d, err := prepare(body, c.typ)
	if err != nil {
		return refuse(err)
	}
	condition := c.r.Header.Get("If-None-Exist")
	if condition == "" || c.options.NoConditionalCreate || c.effect.noConditionalCreate {
		return replyWrite(http.StatusCreated, c.store.create(d), c.base, c.r.Header.Get("Prefer"))
	}
	q, err := c.condition(condition)
	if err != nil {
		return refuse(err)
	}
	var asOf time.Time
	if c.effect.lagsCondition {
		asOf = c.asOf()
	}
	r, created, err := c.store.createUnless(d, q, asOf)
	if err != nil {
		return refuse(err)
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return replyWrite(status, r, c.base, c.r.Header.Get("Prefer"))
}

// condition reads If-None-Exist. It is always strict: a criterion left out would
// match resources the client did not mean.
func (c *call) condition(text string) (query, error) {
	params, err := url.ParseQuery(strings.TrimPrefix(text, "?"))
	if err != nil {
		return query{}, problem(http.StatusBadRequest, "invalid", "If-None-Exist is not a search")
	}
	q, err := parseQuery(byName[c.typ], params, c.base, true)
	if err == nil && len(q.clauses) == 0 {
		err = problem(http.StatusBadRequest, "invalid", "If-None-Exist has no criterion")
	}
	return q, err
}

// asOf is the time up to which searches see writes; zero without a lag.
func (c *call) asOf() time.Time {
	if c.effect.lag <= 0 {
		return time.Time{}
	}
	return c.options.Clock.Now().Add(-c.effect.lag)
}

func (c *call) read() response {
	r, err := c.store.Read(c.typ, c.id)
	if err != nil {
		return refuse(err)
	}
	return replyResource(http.StatusOK, r)
}

func (c *call) vread() response {
	versions, err := c.store.history(c.typ, c.id)
	if err != nil {
		return refuse(err)
	}
	for _, v := range versions {
		if v.VersionID == c.vid && v.Deleted {
			return refuse(problem(http.StatusGone, "deleted", "this version is the deletion"))
		}
		if v.VersionID == c.vid {
			return replyResource(http.StatusOK, v.Resource)
		}
	}
	return refuse(problem(http.StatusNotFound, "not-found", "there is no such version"))
}

func (c *call) history() response {
	versions, err := c.store.history(c.typ, c.id)
	if err != nil {
		return refuse(err)
	}
	return replyFHIR(http.StatusOK, historyBundle(versions, c.base))
}

func (c *call) update() response {
	body, err := readBody(c.r, typeFHIR, typeJSON)
	if err != nil {
		return refuse(err)
	}
	d, err := prepare(body, c.typ)
	if err != nil {
		return refuse(err)
	}
	if d.id != c.id {
		return refuse(problem(http.StatusBadRequest, "invalid", "the id in the body is missing or not that in the URL"))
	}
	guard, err := c.guard()
	if err != nil {
		return refuse(err)
	}
	r, created, err := c.store.update(d, c.id, guard, c.options.UpdateCreate)
	if p := asProblem(err); p != nil && p.Status == http.StatusNotFound {
		// FHIR: 405 where the server does not let clients choose an id.
		err = problem(http.StatusMethodNotAllowed, "not-supported", "there is no such %s, and an update cannot create it here", c.typ)
	}
	if err != nil {
		return refuse(err)
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return replyWrite(status, r, c.base, c.r.Header.Get("Prefer"))
}

func (c *call) patch() response {
	body, err := readBody(c.r, typePatch)
	if err != nil {
		return refuse(err)
	}
	ops, err := parsePatch(body)
	if err != nil {
		return refuse(err)
	}
	guard, err := c.guard()
	if err != nil {
		return refuse(err)
	}
	r, err := c.store.edit(c.typ, c.id, guard, func(raw json.RawMessage) (json.RawMessage, error) { return applyPatch(raw, ops) })
	if err != nil {
		return refuse(err)
	}
	return replyWrite(http.StatusOK, r, c.base, c.r.Header.Get("Prefer"))
}

func (c *call) delete() response {
	guard, err := c.guard()
	if err != nil {
		return refuse(err)
	}
	if err := c.store.delete(c.typ, c.id, guard); err != nil {
		return refuse(err)
	}
	return response{status: http.StatusNoContent}
}

// guard returns the version If-Match asks for, "*" for any that exists, "" for no
// condition.
func (c *call) guard() (string, error) {
	text := strings.TrimSpace(c.r.Header.Get("If-Match"))
	if c.effect.ignoreIfMatch {
		return "", nil
	}
	if text == "" || text == "*" {
		return text, nil
	}
	version, ok := strings.CutPrefix(strings.TrimPrefix(text, "W/"), `"`)
	version, closed := strings.CutSuffix(version, `"`)
	if !ok || !closed || version == "" {
		return "", problem(http.StatusBadRequest, "invalid", `If-Match must look like W/"3"`)
	}
	return version, nil
}

func (c *call) searchGet() response { return c.search(c.r.URL.Query()) }

func (c *call) searchPost() response {
	body, err := readBody(c.r, typeForm)
	if err != nil {
		return refuse(err)
	}
	params, err := url.ParseQuery(string(body))
	if err != nil {
		return refuse(problem(http.StatusBadRequest, "invalid", "the body is not a form"))
	}
	for name, values := range c.r.URL.Query() {
		params[name] = append(params[name], values...)
	}
	return c.search(params)
}

func (c *call) search(params url.Values) response {
	if params.Has(pageParam) {
		return c.page(params.Get(pageParam))
	}
	q, err := parseQuery(byName[c.typ], params, c.base, c.options.Strict)
	if err != nil {
		return refuse(err)
	}
	size := q.count
	if size < 0 {
		size = c.options.PageSize
	}
	self := c.base + "/" + c.typ
	if len(q.used) > 0 {
		self += "?" + q.used.Encode()
	}
	result := resultSet{versions: c.store.search(q, c.asOf()), size: size, total: !q.noTotal || size == 0}
	return replyFHIR(http.StatusOK, c.pages.first(result, c.base, c.typ, self))
}

// page answers a next link.
func (c *call) page(token string) response {
	bundle, ok := c.pages.next(token, c.base, c.typ)
	if !ok {
		return refuse(problem(http.StatusGone, "expired", "the result of this search is no longer held; search again"))
	}
	return replyFHIR(http.StatusOK, bundle)
}
