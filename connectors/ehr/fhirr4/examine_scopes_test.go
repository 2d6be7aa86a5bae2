package fhirr4_test

import (
	"strings"
	"testing"

	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/doctor"
)

// TestScopesByTheRung: what is filed, with and without a chart, and what is fed needs
// its scopes, and nothing else does.
func TestScopesByTheRung(t *testing.T) {
	all := map[string]string{"Task": "create read update search-type/identifier code _lastUpdated"}
	for _, name := range []string{"Communication", "ServiceRequest", "DocumentReference"} {
		all[name] = "create read update search-type/identifier category _lastUpdated"
	}
	with := func(name, words string) map[string]string {
		some := map[string]string{}
		for k, v := range all {
			some[k] = v
		}
		if some[name] = words; words == "" {
			delete(some, name)
		}
		return some
	}
	both := func(sets ...func(*fhirr4.Config)) func(*fhirr4.Config) {
		return func(c *fhirr4.Config) {
			for _, set := range sets {
				set(c)
			}
		}
	}
	unbound := func(c *fhirr4.Config) { c.DocumentReference.NeedsPatient = false }
	for name, x := range map[string]struct {
		can  map[string]string
		set  func(*fhirr4.Config)
		want string
	}{
		"Task":                         {all, nil, "Task.crus"},
		"task pinned":                  {all, pinned("task", recipient.set).set, "Task.crus"},
		"communication pinned":         {all, pinned("communication", recipient.set).set, "Task.s Communication.crus"},
		"service-request pinned":       {all, pinned("service-request", code.set).set, "Task.s ServiceRequest.crus"},
		"document-reference pinned":    {all, pinned("document-reference", document.set).set, "Task.s DocumentReference.crus"},
		"worklist pinned":              {all, pinned("worklist", nil).set, "Task.s"},
		"pinned, and there is no Task": {with("Task", ""), pinned("service-request", code.set).set, "ServiceRequest.crus"},
		"pinned, Task cannot be fed":   {with("Task", "create read search-type/identifier"), pinned("communication", recipient.set).set, "Communication.crus"},
		"pinned and impossible":        {with("Communication", "read"), pinned("communication", recipient.set).set, "Task.s"},
		"a lower rung beside Task":     {all, recipient.set, "Task.crus Communication.s"},
		"another without a chart":      {with("Task", ""), both(code.set, document.set, unbound), "ServiceRequest.crus DocumentReference.crus"},
		"none without a chart":         {with("Task", ""), both(code.set, document.set), "ServiceRequest.crus DocumentReference.s"},
		"filed and no more":            {with("Task", "create"), nil, "Task.c"},
		"a message":                    {with("Task", ""), both(pinned("communication", nil).set, message), "Communication.c"},
		"found by nothing but time":    {with("Task", "create read update search-type/_lastUpdated code"), nil, "Task.crus"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t)
			v.metadata, v.scopes = []byte(can(x.can)), "system/Observation.rs"
			cfg := withToken(v.start())
			if x.set != nil {
				x.set(&cfg)
			}
			list := examine(t, t.Context(), cfg, ehr.Examination{}, still(t))
			want := "client in the EHR:"
			for s := range strings.FieldsSeq(x.want) {
				want += " system/" + s
			}
			i := 0
			for i < len(list) && list[i].Check != "scopes" {
				i++
			}
			if i == len(list) || list[i].Do != "have these granted to the "+want {
				t.Fatalf("want %q in\n%s", want, list)
			}
			status := doctor.Warning
			if strings.Contains(x.want, ".c") {
				status = doctor.Failed
			}
			if list[i].Status != status {
				t.Errorf("%s, want %s", list[i].Status, status)
			}
		})
	}
}
