package calls

import (
	"fmt"
	"path"
	"strings"
	"time"
	"unicode"
)

// Rules say how to read one phone system: which of its names mean what. Names
// are patterns as in path.Match ("from-pstn*"), compared without letter case.
// DefaultRules fits a plain Asterisk or FreePBX; the zero Rules know no names
// and take every number for a public one.
type Rules struct {
	// PublicContexts are the dialplan contexts in which calls from the public
	// network arrive. What arrives there is inbound however short the caller's
	// number is: in small networks local subscribers have six digits.
	PublicContexts []string
	// InternalContexts are the contexts in which calls of the clinic's own
	// phones begin. They matter where the phones have names, not numbers, and
	// show the clinic's public number as the caller.
	InternalContexts []string
	// Trunks are the peers that connect to the public network: "trunk" in
	// "SIP/trunk-0000001a".
	Trunks []string
	// InternalDigits is the greatest number of digits of an extension.
	InternalDigits int
	// Machines are peers and extensions at which no person is: an extension that
	// is only a menu, a fax, a door. A leg that they answer is not answered.
	Machines []string
	// PersonApps are the applications that connect a caller with another
	// channel. A leg whose last application is another one was not answered by
	// the channel it rang but by that application, later.
	PersonApps []string
	// Voicemail: by application, by extension, by context.
	VoicemailApps       []string
	VoicemailExtensions []string
	VoicemailContexts   []string
	// QueueApps hold callers until an agent is free.
	QueueApps []string
	// CallbackContexts are where a caller lands who asked to be called back.
	CallbackContexts []string
	// AfterHoursContexts are where callers land while the clinic is closed.
	AfterHoursContexts []string
	// ShortCall is the length below which an abandoned call is no attempt to
	// reach anybody. 0: there is no such length. It applies only where the log
	// says how long the call lasted.
	ShortCall time.Duration
}

// DefaultRules are the names that Asterisk and FreePBX come with, and the
// usual ones that administrators choose. A call shorter than 5 s is short.
func DefaultRules() Rules {
	return Rules{
		PublicContexts: []string{
			"from-trunk*", "from-pstn*", "from-did*", "ext-did*", "from-sip-external*", "from-dahdi*", "from-zaptel*",
			"from-analog*", "*pstn*", "*inbound*", "*incoming*",
		},
		InternalContexts:    []string{"*internal*", "*outbound*", "*outgoing*"},
		InternalDigits:      5,
		PersonApps:          []string{"", "Dial", "AppDial", "RetryDial", "FollowMe", "Queue", "AppQueue", "Bridge", "Pickup*", "ParkedCall"},
		VoicemailApps:       []string{"VoiceMail", "MinivmRecord"},
		VoicemailExtensions: []string{"vm[busi][0-9]*"},
		VoicemailContexts:   []string{"macro-vm*", "sub-vm*", "app-vmblast*", "*voicemail*"},
		QueueApps:           []string{"Queue", "AppQueue"},
		CallbackContexts:    []string{"*callback*"},
		AfterHoursContexts:  []string{"*after-hours*", "*afterhours*", "*closed*"},
		ShortCall:           5 * time.Second,
	}
}

// Validate reports a pattern that cannot be read or a number that makes no sense.
func (r Rules) Validate() error {
	lists := []struct {
		name     string
		patterns []string
	}{
		{"public contexts", r.PublicContexts}, {"internal contexts", r.InternalContexts}, {"trunks", r.Trunks},
		{"machines", r.Machines}, {"person applications", r.PersonApps},
		{"voicemail applications", r.VoicemailApps}, {"voicemail extensions", r.VoicemailExtensions},
		{"voicemail contexts", r.VoicemailContexts}, {"queue applications", r.QueueApps},
		{"callback contexts", r.CallbackContexts}, {"after-hours contexts", r.AfterHoursContexts},
	}
	for _, list := range lists {
		for _, p := range list.patterns {
			if _, err := path.Match(p, ""); err != nil {
				return fmt.Errorf("call rules: %s: the pattern %q cannot be read; use *, ? and [a-z] as in file names", list.name, p)
			}
		}
	}
	if r.InternalDigits < 0 || r.ShortCall < 0 {
		return fmt.Errorf("call rules: the number of internal digits and the length of a short call cannot be negative")
	}
	return nil
}

// matches reports whether one of the patterns fits name.
func matches(patterns []string, name string) bool {
	name = strings.ToLower(name)
	for _, p := range patterns {
		if ok, err := path.Match(strings.ToLower(p), name); err == nil && ok {
			return true
		}
	}
	return false
}

// publicNumber reports whether s is a number of the public network: more
// digits than an extension has, and not the name of a device.
func (r Rules) publicNumber(s string) bool {
	digits, letters := 0, false
	for _, c := range s {
		digits += boolInt(unicode.IsDigit(c))
		letters = letters || unicode.IsLetter(c)
	}
	// "Ann 212 555 0123" is a public number with a name before it, "client1" is
	// a device. Seven digits are the shortest number that goes with a name.
	if letters {
		return digits >= 7
	}
	return digits > r.InternalDigits
}

// extension reports whether s is a number of the phone system itself.
func (r Rules) extension(s string) bool {
	if s == "" || len(s) > r.InternalDigits {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
