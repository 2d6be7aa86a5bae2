package sandbox_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/ringback-health/ringback/sandbox"
)

// TestTypesThatAreOffered: those of the options and no others, in the paths and in
// /metadata alike.
func TestTypesThatAreOffered(t *testing.T) {
	standard := []string{"Patient", "Practitioner", "Location", "Schedule", "Slot", "Appointment", "Task", "Communication"}
	if got := sandbox.StandardTypes(); !slices.Equal(got, standard) {
		t.Errorf("standard types: %q", got)
	}
	for name, types := range map[string][]string{"standard": nil, "few": {"Patient", "ServiceRequest"}, "all": append(sandbox.StandardTypes(), "ServiceRequest", "DocumentReference")} {
		t.Run(name, func(t *testing.T) {
			e := start(t, sandbox.Options{Types: types})
			want := types
			if want == nil {
				want = standard
			}
			rest := list(e.do(http.StatusOK, http.MethodGet, "/metadata", "").doc["rest"])
			var declared []string
			for _, r := range list(rest[0]["resource"]) {
				declared = append(declared, r["type"].(string))
			}
			for _, one := range append(standard, "ServiceRequest", "DocumentReference") {
				offered := slices.Contains(want, one)
				if slices.Contains(declared, one) != offered {
					t.Errorf("%s is declared: %t", one, !offered)
				}
				status := http.StatusNotFound
				if offered {
					status = http.StatusOK
				}
				e.in(t).do(status, http.MethodGet, "/"+one, "")
			}
		})
	}
	defer func() {
		if recover() == nil {
			t.Error("a type that does not exist was taken")
		}
	}()
	sandbox.New(sandbox.Options{Types: []string{"PatientCase"}})
}

// TestRulesOfTheLowerTypes: what R4 refuses is refused, and what it allows is found.
func TestRulesOfTheLowerTypes(t *testing.T) {
	e := start(t, sandbox.Options{Strict: true, Types: append(sandbox.StandardTypes(), "ServiceRequest", "DocumentReference")})
	for _, tt := range []struct{ typ, body string }{
		{"Communication", `{"resourceType":"Communication","status":"ready"}`},
		{"Communication", `{"resourceType":"Communication","status":"completed","payload":[{"contentString":"a","contentAttachment":{"url":"b"}}]}`},
		{"Communication", `{"resourceType":"Communication","status":"completed","payload":[{"id":"1"}]}`},
		{"ServiceRequest", `{"resourceType":"ServiceRequest","status":"active","intent":"order"}`},
		{"ServiceRequest", `{"resourceType":"ServiceRequest","status":"active","intent":"unknown","subject":{"reference":"Patient/1"}}`},
		{"DocumentReference", `{"resourceType":"DocumentReference","status":"current"}`},
		{"DocumentReference", `{"resourceType":"DocumentReference","status":"current","content":[{"format":{"code":"x"}}]}`},
		{"DocumentReference", `{"resourceType":"DocumentReference","status":"current","content":[{"attachment":{"data":"eA=="}}]}`},
		{"DocumentReference", `{"resourceType":"DocumentReference","status":"current","date":"2025-03-03","content":[{"attachment":{"url":"a"}}]}`},
	} {
		e.do(http.StatusBadRequest, http.MethodPost, "/"+tt.typ, tt.body)
	}
	const marked = `"identifier":[{"system":"s","value":"v"}],"category":[{"coding":[{"system":"k","code":"callback"}]}],"subject":{"reference":"Patient/1"}`
	for typ, rest := range map[string]string{
		"Communication":     `"status":"completed","recipient":[{"reference":"Group/1"}],"payload":[{"contentString":"a"}],"sent":"2025-03-03T14:00:00Z"`,
		"ServiceRequest":    `"status":"active","intent":"order","performer":[{"reference":"CareTeam/1"}],"authoredOn":"2025-03-03T14:00:00Z"`,
		"DocumentReference": `"status":"current","content":[{"attachment":{"contentType":"text/plain","data":"eA=="}}],"date":"2025-03-03T14:00:00Z"`,
	} {
		id := e.create(`{"resourceType":"` + typ + `",` + marked + `,` + rest + `}`)
		for _, q := range []string{"identifier=s|v", "category=k|callback", "patient=Patient/1", "_lastUpdated=ge2025-03-03T14:00:00Z", "_sort=_lastUpdated"} {
			if got := e.ids("/" + typ + "?" + q); !slices.Equal(got, []string{id}) {
				t.Errorf("%s?%s finds %q", typ, q, got)
			}
		}
		if got := e.ids("/" + typ + "?category=k|other"); len(got) != 0 {
			t.Errorf("%s: another category finds %q", typ, got)
		}
	}
}
