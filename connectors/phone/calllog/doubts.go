package calllog

import "fmt"

// doubts counts what a log left open, for the warnings at its end.
type doubts struct {
	guesses, words, lengths int
	firstLength             int
	programs, children      int
}

func (d *doubts) guess()   { d.guesses++ }
func (d *doubts) word()    { d.words++ }
func (d *doubts) program() { d.programs++ }
func (d *doubts) child()   { d.children++ }

func (d *doubts) length(line int) {
	if d.lengths == 0 {
		d.firstLength = line
	}
	d.lengths++
}

func (d *doubts) warnings(h header) []string {
	var out []string
	if !h.has(fieldDirection) && !h.has(fieldKind) {
		out = append(out, "no column says who called whom; calls from long numbers count as inbound")
	}
	if d.guesses > 0 {
		out = append(out, fmt.Sprintf("%d calls count as answered only because they had a length; a mailbox or a menu may have taken them. Export the log with a column for the result or the answer", d.guesses))
	}
	if d.words > 0 {
		out = append(out, fmt.Sprintf("%d calls have a result that this format does not know; they count as not answered", d.words))
	}
	if d.lengths > 0 {
		out = append(out, fmt.Sprintf("%d lengths could not be read, the first on line %d; they count as not known", d.lengths, d.firstLength))
	}
	if d.programs > 0 && d.children == 0 {
		out = append(out, "the log has a column for parent calls and no call below another one: legs to people are missing in it, and every completed call counts as not answered")
	}
	return out
}
