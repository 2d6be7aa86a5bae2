package names_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/names"
	"github.com/ringback-health/ringback/internal/redact"
)

func held(family string, given ...string) callback.PersonName {
	n := callback.PersonName{Family: redact.NewText(family)}
	for _, g := range given {
		n.Given = append(n.Given, redact.NewText(g))
	}
	return n
}

func written(text string) callback.PersonName { return callback.PersonName{Text: redact.NewText(text)} }

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		said string
		held callback.PersonName
		want names.Likeness
	}{
		{"Ann Lee", held("Lee", "Ann"), names.Same},
		{"LEE, ann", held("Lee", "Ann"), names.Same},
		{"Ann Lee", held("Lee", "Ann", "Marie"), names.Same},
		{"Ann M. Lee", held("Lee", "Ann", "Marie"), names.Same},
		{"Ann Marie Lee", held("Lee", "Ann", "M."), names.Same},
		{"Lee Lee", held("Lee", "Lee"), names.Same},
		{"Ann van der Berg", held("van der Berg", "Ann"), names.Same},
		{"Zoe Munoz Garcia", held("Muñoz-García", "Zoë"), names.Same},
		{"Zoe\u0308 Munoz", held("Muñoz", "Zoë"), names.Same},
		{"Lukasz Grosse", held("Große", "Łukasz"), names.Same},
		{"Soren Aerø", held("Ærø", "Søren"), names.Same},
		{"Sean OBrien", held("O’Brien", "Seán"), names.Same},
		{"Nguyen Thi Anh", held("Nguyễn", "Thị Ánh"), names.Same},
		{"李 小龍", held("李", "小龍"), names.Same},
		{"Ann Lee", written("Lee, Ann"), names.Same},
		{"Ann Lee", callback.PersonName{Family: redact.NewText("Lee"), Text: redact.NewText("Ann Lee")}, names.Same},

		{"A. Lee", held("Lee", "Ann"), names.Similar},
		{"Ann Marie Lee", held("Lee", "Ann"), names.Similar}, // it may be her sister Marie
		{"Ann Lee", held("Lee", "Anna"), names.Similar},
		{"Ann Marie Lee", held("Lee", "Anna", "Marie"), names.Similar},
		{"Ann Berg", held("van der Berg", "Ann"), names.Similar},
		{"Maria Garcia", held("Garcia Lopez", "Maria"), names.Similar},
		{"Jonh Smith", held("Smith", "John"), names.Similar}, // two letters changed places
		{"John Smtih", held("Smith", "John"), names.Similar},
		{"Jon Smyth", held("Smith", "John"), names.Similar},
		{"Stephanie Meyer", held("Mayer", "Stefanie"), names.Similar},
		{"Steven Meyer", held("Mayer", "Stephen"), names.Different}, // spelled by ear: a person has to see it
		{"Katherine Schwartz", held("Schwarz", "Catherine"), names.Similar},
		{"Elisabeth Muller", held("Mueller", "Elizabet"), names.Similar},
		{"Ann Lee", written("Ann Marie Lee"), names.Similar},
		{"Anne Leigh Marie", written("Leigh Anna"), names.Similar},
		{"Mia Lopez", held("Lopez", "Mila"), names.Similar}, // twins, as likely as not

		{"Ann", held("Lee", "Ann"), names.Different},
		{"Lee", held("Lee", "Ann"), names.Different},
		{"Lee Lee", held("Lee", "Ann"), names.Different},
		{"Bob Lee", held("Lee", "Ann"), names.Different},
		{"Ann Ray", held("Lee", "Ann"), names.Different},
		{"Leo Kim", held("Kim", "Lee"), names.Different},
		{"Daniel Garcia", held("Garcia", "David"), names.Different},
		{"John Johnson", held("Jackson", "John"), names.Different},
		{"Ann", written("Ann"), names.Different},
		{"Ann Bea Cat Lee", held("Lee", "Ann"), names.Different},
		{"", held("Lee", "Ann"), names.Different},
		{"", written(""), names.Different},
		{"Ann Lee", held("", ""), names.Different},
	} {
		if got := names.Compare(redact.NewText(tt.said), tt.held); got != tt.want {
			t.Errorf("%q and %q %q %q: %d, want %d", tt.said, tt.held.Family.Reveal(), names.Words(tt.held.Family), tt.held.Text.Reveal(), got, tt.want)
		}
	}
}

func TestOfChart(t *testing.T) {
	said := redact.NewText("Ann Lee")
	for what, tt := range map[string]struct {
		chart callback.Chart
		want  names.Likeness
	}{
		"the maiden name fits":         {callback.Chart{Name: redact.NewText("Ann Ray"), Names: []callback.PersonName{held("Ray", "Ann"), held("Lee", "Ann")}}, names.Same},
		"only a name to show":          {callback.Chart{Name: redact.NewText("Lee Ann")}, names.Same},
		"none":                         {callback.Chart{}, names.Different},
		"the one that is most like it": {callback.Chart{Names: []callback.PersonName{held("Lee", "Anna"), held("Ray", "Bob")}}, names.Similar},
	} {
		if got := names.OfChart(said, tt.chart); got != tt.want {
			t.Errorf("%s: %d, want %d", what, got, tt.want)
		}
	}
}

// TestNeverWorseThanWritten: a name is the same as itself, in any order and in capitals.
func TestNeverWorseThanWritten(t *testing.T) {
	word := rapid.StringMatching(`[A-Za-zÀ-ÖØ-öø-ÿ]{2,10}`)
	rapid.Check(t, func(t *rapid.T) {
		family, given := word.Draw(t, "family"), word.Draw(t, "given")
		for _, said := range []string{given + " " + family, family + ", " + given} {
			if names.Compare(redact.NewText(said), held(family, given)) != names.Same {
				t.Fatalf("%q is not the same as itself", said)
			}
		}
	})
}

func TestWords(t *testing.T) {
	for name, want := range map[string][]string{
		"Dr. Zoë  Muñoz-García": {"dr", "zoe", "munoz", "garcia"},
		"ŁUKASZ Ø’Hara":         {"lukasz", "ohara"},
		"ﬁona":                  {"fiona"}, // a ligature is its letters
		" ,.- ":                 nil,
	} {
		if got := names.Words(redact.NewText(name)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
