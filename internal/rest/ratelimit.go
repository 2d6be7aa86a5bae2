package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// allowance is one limit as a server tells it: how much is left, and when there is
// more again.
type allowance struct {
	left    uint64
	told    bool          // left was told
	renewed time.Duration // 0: not told, or now
}

// askedToWait returns the longest wait that the headers of a refusal ask for: that
// of Retry-After, and those of the limits that are used up, or of all limits where
// none says that it is. Negative: they ask for nothing.
func askedToWait(h http.Header, now time.Time) time.Duration {
	wait := time.Duration(-1)
	if after, ok := ParseRetryAfter(h, now); ok {
		wait = after
	}
	limits := parseRateLimit(h, now)
	usedUp := false
	for _, a := range limits {
		usedUp = usedUp || a.told && a.left == 0
	}
	for _, a := range limits {
		if a.renewed > 0 && (!usedUp || a.told && a.left == 0) {
			wait = max(wait, a.renewed)
		}
	}
	return wait
}

// usedUp returns how long an answer asks to send nothing more, 0 when it does not:
// a limit has nothing left, although this request was still within it.
func usedUp(h http.Header, now time.Time) time.Duration {
	var wait time.Duration
	for _, a := range parseRateLimit(h, now) {
		if a.told && a.left == 0 {
			wait = max(wait, a.renewed)
		}
	}
	return wait
}

// parseRateLimit reads what a server tells about its limits, in any of three forms
// of the IETF's draft-ietf-httpapi-ratelimit-headers:
//
//	RateLimit: "default";r=50;t=30, "fhirInteractions";r=0;t=12   (08 and later)
//	RateLimit: limit=100, remaining=50, reset=30                  (07 and before)
//	RateLimit-Remaining: 50 and RateLimit-Reset: 30               (06 and before)
//
// and X-Rate-Limit-Remaining with X-Rate-Limit-Window, the length of the window in which
// it is counted, as RingCentral tells them: there is more at the latest when that is over.
//
// Times are seconds from now; a reset that can only be a date, in seconds since 1970,
// as others write it, is taken for one. What cannot be read is left out, and what is left out
// asks for nothing.
func parseRateLimit(h http.Header, now time.Time) []allowance {
	var list []allowance
	var flat allowance // of the form that names one limit in several items
	for _, item := range split(strings.Join(h.Values("Ratelimit"), ","), ',') {
		parts := split(item, ';')
		var a allowance
		for _, p := range parts[1:] {
			a.read(p, "r", "t")
		}
		if a != (allowance{}) {
			list = append(list, a)
		} else if len(parts) == 1 {
			flat.read(item, "remaining", "reset")
		}
	}
	var pair allowance
	pair.read("r="+h.Get("Ratelimit-Remaining"), "r", "t")
	pair.read("t="+fromNow(h.Get("Ratelimit-Reset"), now), "r", "t")
	var window allowance
	window.read("r="+h.Get("X-Rate-Limit-Remaining"), "r", "t")
	window.read("t="+h.Get("X-Rate-Limit-Window"), "r", "t")
	for _, a := range []allowance{flat, pair, window} {
		if a != (allowance{}) {
			list = append(list, a)
		}
	}
	return list
}

// fromNow turns seconds since 1970 into seconds from now, and leaves others alone.
func fromNow(reset string, now time.Time) string {
	n, err := strconv.ParseInt(strings.TrimSpace(reset), 10, 64)
	if err != nil || n < 1e9 {
		return reset
	}
	return strconv.FormatInt(max(0, n-now.Unix()), 10)
}

// read takes "name=number" into a, if it is one of the two names.
func (a *allowance) read(text, left, renewed string) {
	name, value, _ := strings.Cut(text, "=")
	value = strings.TrimSpace(value)
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil { // more digits than that holds
		n = 1<<64 - 1
	}
	switch strings.ToLower(strings.TrimSpace(name)) {
	case left:
		a.left, a.told = n, true
	case renewed:
		a.renewed = time.Duration(min(n, uint64(maxRetryAfter/time.Second))) * time.Second
	}
}

// split cuts text at a separator outside of quoted strings (RFC 8941 §3.3.3).
func split(text string, separator byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}
