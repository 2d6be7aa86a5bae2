package callback

import (
	"github.com/ringback-health/ringback/internal/redact"
)

// Inquiry is a request that a person wrote, in a form: there is no call to it. Texts
// are as they were written; whoever takes it in checks them.
type Inquiry struct {
	Name      redact.Text
	Phone     redact.Text // any notation
	BirthDate redact.Text // YYYY-MM-DD where a form of ours asked for it
	Text      redact.Text
	Category  Category // empty: none was chosen
	Preferred []Period // when the person would like to be called, or to come
	// Consent says whether the person agreed to be called back about it.
	Consent Answer
}
