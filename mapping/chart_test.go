package mapping_test

import (
	"testing"

	"github.com/ringback-health/ringback/mapping"
)

func TestChart(t *testing.T) {
	c, err := mapping.Chart([]byte(`{"resourceType":"Patient","id":"pat-1","active":false,"birthDate":"1980-02-29",
		"name":[{"use":"old","family":"Smith","given":["Ann"]},{"use":"official","family":"Lee","given":["Ann","Marie"],"text":"LEE, Ann"},{"use":"usual","text":"Annie"}],
		"telecom":[{"system":"phone","value":"(555) 555-0101"},{"system":"sms","value":"+1 555 555 0101"},{"system":"email","value":"ann@example.org"},
			{"system":"phone","use":"old","value":"555-555-0199"},{"system":"phone","value":"ask the desk"}],
		"meta":{"security":[{"code":"HTEST"}]},
		"link":[{"type":"replaced-by","other":{"reference":"Patient/pat-2"}},{"type":"replaces","other":{"reference":"Patient/pat-0"}},{"type":"seealso","other":{"reference":"Patient/pat-3"}}]}`), site)
	if err != nil {
		t.Fatal(err)
	}
	if c.ID.Reveal() != "pat-1" || c.Name.Reveal() != "Ann Marie Lee" || c.BirthDate.Reveal() != "1980-02-29" || !c.Inactive || c.MergedInto.Reveal() != "pat-2" {
		t.Errorf("read %q %q %q %t %q", c.ID.Reveal(), c.Name.Reveal(), c.BirthDate.Reveal(), c.Inactive, c.MergedInto.Reveal())
	}
	if len(c.Names) != 3 || c.Names[0].Family.Reveal() != "Smith" || len(c.Names[1].Given) != 2 || c.Names[2].Text.Reveal() != "Annie" {
		t.Errorf("%d names", len(c.Names))
	}
	if len(c.Replaces) != 1 || c.Replaces[0].Reveal() != "pat-0" || !c.Test {
		t.Errorf("replaces %d, test %t", len(c.Replaces), c.Test)
	}
	if len(c.Phones) != 2 || c.Phones[0].Reveal() != "+15555550101" || c.Phones[1].Reveal() != "ask the desk" {
		t.Errorf("%d phones", len(c.Phones))
	}
}

func TestChartThatSaysLittle(t *testing.T) {
	c, err := mapping.Chart([]byte(`{"resourceType":"Patient","id":"p","name":[{"text":"Ann Lee"}],"link":[{"type":"replaced-by","other":{"reference":"https://other.example/Patient/9"}}]}`), site)
	if err != nil {
		t.Fatal(err)
	}
	if c.Inactive || c.Name.Reveal() != "Ann Lee" || !c.BirthDate.IsEmpty() || len(c.Phones) != 0 || !c.MergedInto.IsEmpty() {
		t.Errorf("inactive %t, %d phones, merged %t", c.Inactive, len(c.Phones), !c.MergedInto.IsEmpty())
	}
	if _, err := mapping.Chart([]byte(`{"resourceType":"Person"}`), site); err == nil {
		t.Error("a Person was read as a chart")
	}
}
