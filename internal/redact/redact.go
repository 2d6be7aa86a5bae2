// Package redact holds the types for what must never reach a log, a metric, an
// error text, a URL or a job argument: PHI and secrets.
//
// A value of these types cannot be printed: every verb of fmt, slog and the
// JSON and text encoders see "[redacted]". Code that really needs the content
// says so with Reveal, which is easy to find in a review. What belongs here is
// only the types; how PHI is stored is the ledger's business (package store).
package redact

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Mark is what stands in the place of the content wherever it is printed.
const Mark = "[redacted]"

// Text is protected health information: a name, a phone number, an e-mail
// address, a date of birth, a chart number, what a caller said. The zero Text
// is empty.
//
// The content sits behind a pointer so that fmt cannot reach it by reflection
// even when a Text is an unexported field of a struct printed with %+v.
type Text struct{ content *string }

// NewText wraps s. NewText("") is the zero Text.
func NewText(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{content: &s}
}

// Reveal returns the content. Call it only where the content leaves for the
// place it belongs: the ledger's sealed columns, the EHR, or a person who is
// allowed to see it.
func (t Text) Reveal() string {
	if t.content == nil {
		return ""
	}
	return *t.content
}

// IsEmpty reports whether there is no content.
func (t Text) IsEmpty() bool { return t.content == nil }

// Equal reports whether both hold the same content.
func (t Text) Equal(u Text) bool { return t.Reveal() == u.Reveal() }

// EqualFold reports whether both hold the same content but for letter case and
// surrounding space.
func (t Text) EqualFold(u Text) bool {
	return strings.EqualFold(strings.TrimSpace(t.Reveal()), strings.TrimSpace(u.Reveal()))
}

// String returns the mark, never the content.
func (t Text) String() string { return Mark }

// GoString returns the mark, never the content.
func (t Text) GoString() string { return Mark }

// Format writes the mark whatever the verb.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mark) }

// LogValue gives slog the mark.
func (t Text) LogValue() slog.Value { return slog.StringValue(Mark) }

// MarshalText gives encoders the mark, so that a forgotten field is a visible
// fault and not a leak.
func (t Text) MarshalText() ([]byte, error) { return []byte(Mark), nil }

// Secret is a credential: a token, a password, a key. It is printed as the
// mark like Text. The zero Secret is empty.
type Secret struct{ content *string }

// NewSecret wraps s. NewSecret("") is the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{content: &s}
}

// Reveal returns the credential, for the header or the key function that needs it.
func (s Secret) Reveal() string {
	if s.content == nil {
		return ""
	}
	return *s.content
}

// IsEmpty reports whether there is no credential.
func (s Secret) IsEmpty() bool { return s.content == nil }

// String returns the mark, never the content.
func (s Secret) String() string { return Mark }

// GoString returns the mark, never the content.
func (s Secret) GoString() string { return Mark }

// Format writes the mark whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mark) }

// LogValue gives slog the mark.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Mark) }

// MarshalText gives encoders the mark.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Mark), nil }
