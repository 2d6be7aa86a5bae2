package auditreport

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/businesstime"
)

// Workflow writes a suggested workflow file: the opening hours in the form that
// `ringback audit --hours` reads and that a clinic in ringback.yaml has, and what the
// log suggests beside them, as comments.
func Workflow(w io.Writer, in Input) error {
	r := in.Report
	var b strings.Builder
	fmt.Fprintf(&b, "# A suggestion, made from the calls between %s and %s.\n", date(r.From, r.Calendar.Zone), date(r.To, r.Calendar.Zone))
	b.WriteString("# Read it, change it, and keep it on one page.\n\n")
	fmt.Fprintf(&b, "zone: %q\n", r.Calendar.Zone.String())
	if in.Region != "" {
		fmt.Fprintf(&b, "region: %q            # for phone numbers without a country code\n", in.Region)
	}
	switch {
	case !r.HoursAssumed:
		b.WriteString("hours:                    # as they were given\n")
	default:
		b.WriteString("hours:                    # when somebody was at the phone on at least every second such day; or Mon-Fri 8-17 if nobody ever was\n")
	}
	for _, d := range weekdays {
		if spans := r.Suggested.Week[d]; len(spans) > 0 {
			fmt.Fprintf(&b, "  %s: [%s]\n", strings.ToLower(d.String()[:3]), spansOf(spans, `"`))
		}
	}
	b.WriteString("closed: []                # days such as \"2026-12-25\"\n")
	b.WriteString(`
# Who is called back by when. These are Ringback's own defaults; a call log cannot show
# what people called about, so no mix of categories is suggested:
#   clinical question           15 minutes of opening hours
#   new patient                  1 hour of opening hours
#   appointment, reschedule      2 hours of opening hours
#   records, referral, other     4 hours of opening hours
#   benefits, billing            1 business day
# Attempts: 3 over 3 business days, at least 2 opening hours apart, at different times of day.
`)
	if len(r.OpenGaps) > 0 {
		b.WriteString("# Put people at the phone first where most calls were missed while open:\n")
		for _, s := range r.OpenGaps {
			fmt.Fprintf(&b, "#   %-9s %02d:00-%02d:00   %d of %d calls missed\n", s.Day, s.Hour, s.Hour+1, s.Missed, s.Inbound)
		}
	}
	if len(r.ClosedGaps) > 0 {
		b.WriteString("# And look at the voicemail first thing after these closed hours:\n")
		for _, s := range r.ClosedGaps {
			fmt.Fprintf(&b, "#   %-9s %02d:00-%02d:00   %d of %d calls missed\n", s.Day, s.Hour, s.Hour+1, s.Missed, s.Inbound)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func date(t time.Time, z *time.Location) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(z).Format(time.DateOnly)
}

// spansOf writes opening hours: 08:00-12:00, 13:00-17:00.
func spansOf(spans []businesstime.Interval, quote string) string {
	var parts []string
	for _, s := range spans {
		parts = append(parts, fmt.Sprintf("%s%02d:%02d-%02d:%02d%s", quote, s.Start/60, s.Start%60, s.End/60, s.End%60, quote))
	}
	return strings.Join(parts, ", ")
}
