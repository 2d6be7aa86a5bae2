package boundaries_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/internal/boundaries"
)

const root = "../.."

// files parses every Go file of the module. It reads the files in this process,
// so that the test cache knows what the result depends on.
func files(t *testing.T, visit func(pkg, path string, test bool, imports []string, doc string)) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		var imports []string
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, p)
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		n++
		visit(filepath.ToSlash(dir), path, strings.HasSuffix(path, "_test.go"), imports, f.Doc.Text())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestImportRule holds every import of the module against the rule.
func TestImportRule(t *testing.T) {
	n := files(t, func(pkg, path string, test bool, imports []string, _ string) {
		for _, p := range imports {
			if why := boundaries.Check(pkg, p, test); why != "" {
				t.Errorf("%s: %s", path, why)
			}
		}
	})
	if n < 50 {
		t.Fatalf("only %d files were read; the test looks in the wrong place", n)
	}
}

// TestEveryPackageSaysWhatItIsFor: one package comment per package.
func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	docs := map[string]string{}
	files(t, func(pkg, _ string, test bool, _ []string, doc string) {
		if test {
			return
		}
		if docs[pkg] != "" && doc != "" {
			t.Errorf("%s has two package comments", pkg)
		}
		docs[pkg] += doc
	})
	for pkg, doc := range docs {
		if len(doc) < 80 {
			t.Errorf("%s does not say what belongs there: %q", pkg, doc)
		}
	}
}

// TestCheck breaks the rule in every way it can be broken.
func TestCheck(t *testing.T) {
	m := boundaries.Module + "/"
	for _, c := range []struct {
		pkg, path string
		test      bool
		allowed   bool
	}{
		{"server", m + "callback", false, true},
		{"server", m + "internal/redact", false, true},
		{"server", m + "store", false, false},
		{"server", m + "store", true, true},
		{"scheduler", m + "connectors/ehr", false, false},
		{"scheduler", m + "callback/matching", false, true},
		{"mapping", m + "fhir", false, true},
		{"mapping", m + "connectors/ehr", false, false},
		{"fhir", m + "mapping", false, false},
		{"connectors/ehr/fhirr4", m + "connectors/ehr", false, true},
		{"connectors/ehr/fhirr4", m + "mapping", false, true},
		{"connectors/ehr/fhirr4", m + "connectors/ehr/canvas", false, false},
		{"connectors/ehr", m + "connectors/phone", false, false},
		{"connectors/phone/asterisk", m + "fhir", false, false},
		{"sandbox", m + "fhir", false, false},
		{"internal/config", m + "store", false, false},
		{"callback", m + "internal/redact", false, true},
		{"callback", m + "internal/config", false, false},
		{"callback/matching", m + "callback/workflow", false, true},
		{"callback", m + "store", false, false},
		{"store", m + "cmd/ringback", false, false},
		{"cmd/ringback", m + "store", false, true},
		{"cmd/ringback", m + "peers/campaign", false, false},
		{"cmd/ringback", m + "peers/campaign", true, true},
		{"peers/campaign", m + "peers/faultproxy", false, true},
		{"peers/campaign", m + "callback/metrics", false, true},
		{"peers/campaign", m + "store", false, false},
		{"simulate", m + "callback/matching", false, true},
		{"simulate", m + "internal/intake", false, true},
		{"simulate", m + "sandbox", false, false},
		{"simulate", m + "scheduler", false, false},
		{"callback", "time", false, true},
		{"callback", "github.com/google/uuid", false, true},
		{"callback", "gorm.io/gorm", false, false},
		{"store", "gorm.io/gorm", false, true},
		{"server", "gorm.io/gorm", false, false},
		{"fhir", "github.com/samply/golang-fhir-models/fhir-models/fhir", false, true},
		{"mapping", "github.com/samply/golang-fhir-models/fhir-models/fhir", false, false},
		{"fhir", "github.com/go-resty/resty/v2", false, false},
		{"server", "github.com/riverqueue/river", false, false},
		{"scheduler", "github.com/riverqueue/river/rivermigrate", false, true},
		{"store", "pgregory.net/rapid", false, false},
		{"store", "pgregory.net/rapid", true, true},
		{"store/storetest", "pgregory.net/rapid", false, true},
		{"store", "github.com/somebody/something", false, false},
	} {
		if why := boundaries.Check(c.pkg, c.path, c.test); (why == "") != c.allowed {
			t.Errorf("%s imports %s (test %v): %q, allowed should be %v", c.pkg, c.path, c.test, why, c.allowed)
		}
	}
}
