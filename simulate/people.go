package simulate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// person is somebody who may call, or be called about.
type person struct {
	n     int
	truth identity // who it really is
	adult bool
	home  *household
	mrn   string
	chart string   // id of the chart; "": none yet
	holds identity // what the chart says
	other string   // a second chart that nobody has noticed; "": none
	test  bool
}

// identity is what tells people apart on paper.
type identity struct{ given, family, born, phone string }

func (i identity) name() string { return strings.TrimSpace(i.given + " " + i.family) }

// household is people who live together; all of a household's children, and often its
// adults, are reached under one number.
type household struct {
	phone  string
	people []*person
	asked  time.Time // when somebody of it asked for something last
}

// adults returns those who make the calls.
func (h *household) adults() []*person {
	var list []*person
	for _, p := range h.people {
		if p.adult {
			list = append(list, p)
		}
	}
	return list
}

// The names are made up of common ones; that some people share a name is the point.
var (
	givenNames = strings.Fields(`Ann Ben Carla David Elena Frank Grace Hugo Irene James Karen Luis Maria Noah
		Olivia Peter Quinn Rosa Samuel Tina Umar Vera Walter Xenia Yusuf Zoe Robert William Margaret Elizabeth
		Thomas Daniel Anna José Zoë Mei Amir Chloe Isaac Ruth`)
	familyNames = strings.Fields(`Adams Baker Castillo Diaz Evans Fischer García Hughes Ivanov Johnson Kim Lee
		Miller Nguyen O'Brien Patel Quinn Rivera Smith Taylor Ueda Vargas White Xu Young Zimmer Brown Clark Davis
		Edwards Foster Green Hall Iqbal Jones King Lopez Moore Nelson Ortiz Perez Reed Scott Torres Usman Walker
		Anderson-Lee McDonald Müller Novák`)
	nicknames = map[string]string{"Robert": "Bob", "William": "Bill", "Margaret": "Peggy", "Elizabeth": "Liz",
		"Thomas": "Tom", "Daniel": "Dan", "Benjamin": "Ben", "Samuel": "Sam", "James": "Jim"}
	areaCodes = []int{201, 202, 206, 212, 215, 303, 305, 312, 313, 404, 412, 415, 503, 512, 602, 612, 617, 702, 713, 808}
)

// fictional returns a number of those that are kept for fiction: 555-0100 to 555-0199.
func fictional(n int) string {
	return fmt.Sprintf("+1%d55501%02d", areaCodes[n/100%len(areaCodes)], n%100)
}

// written writes a number as people do who type one.
func written(r *rand.Rand, e164 string) string {
	if len(e164) != len("+12125550101") {
		return e164
	}
	a, b, c := e164[2:5], e164[5:8], e164[8:]
	return pick(r, []string{e164, fmt.Sprintf("(%s) %s-%s", a, b, c), fmt.Sprintf("%s-%s-%s", a, b, c), fmt.Sprintf("%s.%s.%s", a, b, c)})
}

// town makes the people of a clinic.
type town struct {
	r      *rand.Rand
	begin  time.Time
	homes  []*household
	people []*person
	phones int
}

func newTown(r *rand.Rand, begin time.Time) *town {
	t := &town{r: r, begin: begin}
	for range households {
		t.household()
	}
	for range testCharts {
		t.tester()
	}
	return t
}

func (t *town) phone() string {
	t.phones++
	return fictional(t.phones)
}

// household adds one: a single, or a family.
func (t *town) household() *household {
	h := &household{phone: t.phone()}
	t.homes = append(t.homes, h)
	family := pick(t.r, familyNames)
	t.person(h, family, true)
	if !chance(t.r, rateFamily) {
		return h
	}
	if chance(t.r, 0.7) {
		if second := t.person(h, family, true); chance(t.r, rateOwnPhone) {
			second.truth.phone = t.phone()
		}
	}
	for range 1 + t.r.IntN(3) {
		if child := t.person(h, family, false); chance(t.r, rateTwins) {
			t.person(h, family, false).truth.born = child.truth.born
		}
	}
	return h
}

// person adds somebody to a household, sometimes with the name of somebody else.
func (t *town) person(h *household, family string, adult bool) *person {
	years := t.r.IntN(17)
	if adult {
		years = 20 + t.r.IntN(65)
	}
	born := t.begin.AddDate(-years, 0, -t.r.IntN(364)-1).Format(time.DateOnly)
	p := &person{n: len(t.people) + 1, adult: adult, home: h, truth: identity{pick(t.r, givenNames), family, born, h.phone}}
	for t.taken(h, p.truth.given) {
		p.truth.given = pick(t.r, givenNames)
	}
	if len(t.people) > 0 && adult && len(h.people) == 0 {
		switch like := pick(t.r, t.people); {
		case like.adult && chance(t.r, rateDouble):
			p.truth.given, p.truth.family, p.truth.born = like.truth.given, like.truth.family, like.truth.born
		case chance(t.r, rateNamesake):
			p.truth.given, p.truth.family = like.truth.given, like.truth.family
		}
	}
	p.mrn = fmt.Sprintf("MRN-%05d", 10000+p.n)
	h.people = append(h.people, p)
	t.people = append(t.people, p)
	return p
}

// taken: nobody gives two children the same name.
func (t *town) taken(h *household, given string) bool {
	for _, p := range h.people {
		if p.truth.given == given {
			return true
		}
	}
	return false
}

// tester adds a chart for tests. It has the number of a household: staff take any.
func (t *town) tester() {
	home := pick(t.r, t.homes)
	h := &household{phone: home.phone}
	p := t.person(h, pick(t.r, []string{"Test", "Zztest"}), true)
	p.truth.given, p.test = pick(t.r, []string{"Test", "Patient"}), true
}

// mistype returns the identity as somebody types it who makes mistakes.
func (i identity) mistype(r *rand.Rand) identity {
	if chance(r, rateNickname) && nicknames[i.given] != "" {
		i.given = nicknames[i.given]
	}
	if chance(r, rateNameTypo) {
		if chance(r, 0.5) {
			i.given = misspell(r, i.given)
		} else {
			i.family = misspell(r, i.family)
		}
	}
	if chance(r, rateDateTypo) {
		i.born = misdate(r, i.born)
	}
	if chance(r, ratePhoneTypo) {
		i.phone = i.phone[:len(i.phone)-1] + fmt.Sprint(r.IntN(10))
	}
	return i
}

// misspell leaves a letter out, doubles one or swaps two.
func misspell(r *rand.Rand, s string) string {
	letters := []rune(s)
	if len(letters) < 3 {
		return s
	}
	i := 1 + r.IntN(len(letters)-2)
	switch r.IntN(3) {
	case 0:
		letters = append(letters[:i:i], letters[i+1:]...)
	case 1:
		letters = append(letters[:i+1:i+1], letters[i:]...)
	default:
		letters[i], letters[i+1] = letters[i+1], letters[i]
	}
	return string(letters)
}

// misdate swaps day and month where that is a date, or is off by a day or by ten years.
func misdate(r *rand.Rand, s string) string {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return s
	}
	if t.Day() <= 12 && int(t.Month()) != t.Day() && chance(r, 0.6) {
		return fmt.Sprintf("%04d-%02d-%02d", t.Year(), t.Day(), t.Month())
	}
	if chance(r, 0.5) {
		return t.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return t.AddDate(-10, 0, 0).Format(time.DateOnly)
}
