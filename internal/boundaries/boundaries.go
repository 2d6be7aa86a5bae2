// Package boundaries holds the import rule of the project and nothing else: which
// package may import which, and which package owns which third-party module. Its
// test parses every file of the module and holds it against the rule.
package boundaries

import (
	"fmt"
	"slices"
	"strings"
)

// Module is the path of this module.
const Module = "github.com/ringback-health/ringback"

// siblings lists, for each top-level part, which other parts it may import beside
// callback and internal, which everybody may.
var siblings = map[string][]string{
	"callback":         {},
	"fhir":             {},
	"mapping":          {"fhir"},
	"connectors/ehr":   {"fhir", "mapping"},
	"connectors/phone": {},
	"scheduler":        {},
	"store":            {},
	"server":           {},
	"sandbox":          {},
	"simulate":         {},
	"internal":         {},
	"peers":            {},
}

// parts are packages that connectors are put together from, beside their contract.
var parts = []string{"connectors/ehr/feed"}

// pure is what the domain may import beside the standard library.
var pure = []string{"github.com/google/uuid", "github.com/hbollon/go-edlib", "golang.org/x/text/unicode/norm"}

// owners names the only packages that may import a third-party module. Prefixes;
// the longest that fits decides.
var owners = map[string][]string{
	"github.com/agnivade/levenshtein":      {"internal/config"},
	"github.com/danielgtaylor/huma/v2":     {"server"},
	"github.com/glebarez/go-sqlite":        {"scheduler", "store"},
	"github.com/glebarez/sqlite":           {"store"},
	"github.com/go-resty/resty/v2":         {"internal/rest"},
	"github.com/goccy/go-yaml":             {"internal/config", "cmd/ringback"},
	"github.com/google/uuid":               {"callback"},
	"github.com/hbollon/go-edlib":          {"callback/names"},
	"github.com/jackc/pgx/v5":              {"scheduler", "store"},
	"github.com/lestrrat-go/jwx/v3":        {"internal/jose"},
	"github.com/nyaruka/phonenumbers":      {"internal/phone"},
	"github.com/prometheus/client_golang":  {"server"},
	"github.com/riverqueue/river":          {"scheduler"},
	"github.com/robfig/cron/v3":            {"scheduler"},
	"github.com/samply/golang-fhir-models": {"fhir"},
	"github.com/spf13/cobra":               {"cmd/ringback"},
	"github.com/tink-crypto/tink-go/v2":    {"store"},
	"golang.org/x/oauth2":                  {"internal/rest"},
	"golang.org/x/text":                    {"callback/names"},
	"golang.org/x/time":                    {"internal/rest"},
	"gorm.io":                              {"store"},
	"modernc.org/sqlite":                   {"store"},
}

// testLibraries may be imported by test files and by the conformance suites.
var testLibraries = []string{"pgregory.net/rapid", "go.uber.org/goleak", "github.com/google/go-cmp", "github.com/chromedp/chromedp",
	"github.com/Shopify/toxiproxy/v2", "github.com/rs/zerolog"}

// suites are packages of test code that is not in _test files.
var suites = []string{"store/storetest", "connectors/ehr/ehrtest", "connectors/phone/phonetest"}

// Check returns why a package may not import a path, or "". pkg is the package's
// path below the module; test says that the file is a test.
func Check(pkg, path string, test bool) string {
	test = test || slices.Contains(suites, pkg)
	if inner, ok := strings.CutPrefix(path, Module+"/"); ok {
		return checkOwn(pkg, inner, test)
	}
	if path == Module || !strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
		return "" // the standard library
	}
	if slices.ContainsFunc(testLibraries, func(l string) bool { return within(path, l) }) {
		if test {
			return ""
		}
		return fmt.Sprintf("%s is for tests", path)
	}
	if within(pkg, "callback") && !slices.Contains(pure, path) && !test {
		return fmt.Sprintf("the domain is pure; it does not import %s", path)
	}
	owner, known := ownersOf(path)
	switch {
	case !known:
		return fmt.Sprintf("nobody owns %s yet; name its owner in internal/boundaries", path)
	case test, slices.ContainsFunc(owner, func(o string) bool { return within(pkg, o) }):
		return ""
	default:
		return fmt.Sprintf("only %s imports %s", strings.Join(owner, " and "), path)
	}
}

// checkOwn holds an import of our own package against the rule.
func checkOwn(pkg, inner string, test bool) string {
	from, to := part(pkg), part(inner)
	switch {
	case to == "peers" && from != "peers" && !test:
		return "what stands in peers is for tests"
	case test, within(pkg, "cmd"):
		return ""
	case within(inner, "cmd"):
		return "nobody imports cmd"
	case from == "callback" && to == "internal" && inner != "internal/redact":
		return fmt.Sprintf("the domain is pure; of internal it imports redact only, not %s", inner)
	case from == to, to == "callback", to == "internal":
		if from == to && strings.HasPrefix(from, "connectors/") && !slices.Contains(parts, inner) && inner != from && pkg != inner && !within(inner, pkg) {
			return fmt.Sprintf("connectors do not import each other: %s", inner)
		}
		return ""
	case slices.Contains(siblings[from], to):
		return ""
	default:
		return fmt.Sprintf("%s does not import %s; only cmd puts siblings together", from, to)
	}
}

// part returns the top-level part that a package belongs to.
func part(pkg string) string {
	for p := range siblings {
		if within(pkg, p) {
			return p
		}
	}
	return pkg
}

// within reports whether path is prefix or below it.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// ownersOf returns the owners of a third-party import.
func ownersOf(path string) ([]string, bool) {
	best := ""
	for p := range owners {
		if within(path, p) && len(p) > len(best) {
			best = p
		}
	}
	return owners[best], best != ""
}
