package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query is a search of one type, read and checked.
type query struct {
	def     *typeDef
	clauses []clause // all must hold
	order   []sortKey
	count   int        // page size; -1: the caller's choice
	noTotal bool       // _total=none
	used    url.Values // what the server took into account, for the self link
}

// clause is one parameter with its alternatives.
type clause struct {
	param   int       // place in def.params
	missing string    // "true" or "false" of :missing, "" without it
	any     []operand // one must match
}

// operand is one alternative of a clause.
type operand struct {
	value
	prefix string // date
	loose  bool   // token: any system will do; reference: any type
}

type sortKey struct {
	param int
	down  bool
}

// maxCount is the largest page a client can ask for.
const maxCount = 1000

// controls are the parameters that steer the answer and select nothing.
var controls = []string{"_count", "_sort", "_total", "_format", "_pretty"}

// parseQuery reads the parameters of a search. base is the server's FHIR base URL,
// which an absolute reference may start with. A parameter that is not known is a
// 400 if strict and is left out otherwise; an unknown modifier or value always is.
func parseQuery(def *typeDef, q url.Values, base string, strict bool) (query, error) {
	out := query{def: def, count: -1, used: url.Values{}}
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		var err error
		if slices.Contains(controls, name) {
			err = out.control(name, q.Get(name))
		} else {
			err = out.criterion(name, q[name], base, strict)
		}
		if err != nil {
			return query{}, err
		}
	}
	return out, nil
}

func (q *query) control(name, text string) error {
	ok := true
	switch name {
	case "_count":
		n, err := strconv.Atoi(text)
		ok = err == nil && n >= 0
		q.count = min(n, maxCount)
	case "_total":
		ok = slices.Contains([]string{"none", "estimate", "accurate"}, text)
		q.noTotal = text == "none"
	case "_sort":
		for key := range strings.SplitSeq(text, ",") {
			plain, down := strings.CutPrefix(key, "-")
			i := q.def.find(plain)
			if i < 0 || q.def.params[i].kind != dateKind {
				return problem(http.StatusBadRequest, "not-supported", "_sort takes _lastUpdated and the date parameters of %s", q.def.name)
			}
			q.order = append(q.order, sortKey{i, down})
		}
	case "_format":
		ok = strings.Contains(text, "json")
	}
	if !ok {
		return problem(http.StatusBadRequest, "value", "the value of %s is not one this server takes", name)
	}
	q.used.Set(name, text)
	return nil
}

func (q *query) criterion(full string, texts []string, base string, strict bool) error {
	name, modifier, _ := strings.Cut(full, ":")
	i := q.def.find(name)
	if i < 0 {
		if strict {
			return problem(http.StatusBadRequest, "not-supported", "%s has no search parameter %q", q.def.name, name)
		}
		return nil
	}
	if modifier != "" && modifier != "missing" {
		return problem(http.StatusBadRequest, "not-supported", "the modifier of %s is not supported; only :missing is", name)
	}
	for _, text := range texts {
		if text == "" {
			continue // FHIR: a parameter without a value is left out
		}
		c := clause{param: i}
		if modifier == "missing" {
			if text != "true" && text != "false" {
				return problem(http.StatusBadRequest, "value", "%s:missing takes true or false", name)
			}
			c.missing = text
		} else {
			for _, one := range split(text, ',') {
				o, ok := q.def.params[i].operand(one, base)
				if !ok {
					return problem(http.StatusBadRequest, "value", "a value of %s cannot be read as a %s", name, q.def.params[i].kind)
				}
				c.any = append(c.any, o)
			}
		}
		q.clauses = append(q.clauses, c)
		q.used.Add(full, text)
	}
	return nil
}

// split cuts s at every separator that no backslash stands before, and leaves the
// backslashes in.
func split(s string, separator byte) []string {
	var parts []string
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

var unescape = strings.NewReplacer(`\,`, `,`, `\|`, `|`, `\$`, `$`, `\\`, `\`).Replace

// operand reads one value of a search.
func (p *param) operand(text, base string) (operand, bool) {
	switch p.kind {
	case tokenKind:
		return p.tokenOperand(text)
	case referenceKind:
		id := strings.TrimPrefix(unescape(text), base+"/")
		o := operand{value: readReference(id)}
		o.loose = o.system == "" // an id alone; the index holds none of a type the parameter does not mean
		return o, o.text != ""
	case dateKind:
		o := operand{prefix: "eq"}
		if len(text) > 2 && slices.Contains([]string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"}, text[:2]) {
			o.prefix, text = text[:2], text[2:]
		}
		var ok bool
		o.from, o.until, ok = parseDate(text, searchedForm)
		return o, ok
	case uriKind:
		o := operand{value: value{text: unescape(text)}}
		return o, o.text != ""
	default:
		o := operand{value: value{text: fold(unescape(text))}}
		return o, o.text != ""
	}
}

// tokenOperand reads "code", "system|code", "|code" (without a system) or
// "system|" (any code of it).
func (p *param) tokenOperand(text string) (operand, bool) {
	parts := split(text, '|')
	if len(parts) > 2 {
		return operand{}, false
	}
	o := operand{loose: len(parts) == 1}
	if !o.loose {
		o.system = unescape(parts[0])
	}
	o.text = unescape(parts[len(parts)-1])
	if p.form == contactForm {
		o.text = contactKey(o.text)
	}
	return o, o.text != "" || o.system != ""
}

// matches tells whether v satisfies o.
func (p *param) matches(o operand, v value) bool {
	switch p.kind {
	case tokenKind:
		return (o.loose || o.system == v.system) && (o.text == "" || o.text == v.text)
	case referenceKind:
		return (o.loose || o.system == v.system) && o.text == v.text
	case dateKind:
		return matchDate(o.prefix, o.value, v)
	case uriKind:
		return o.text == v.text
	default:
		return strings.HasPrefix(v.text, o.text)
	}
}

// holds tells whether the clause holds for the values of its parameter.
func (c clause) holds(p *param, values []value) bool {
	if c.missing != "" {
		return (len(values) == 0) == (c.missing == "true")
	}
	for _, v := range values {
		for _, o := range c.any {
			if p.matches(o, v) {
				return true
			}
		}
	}
	return false
}
