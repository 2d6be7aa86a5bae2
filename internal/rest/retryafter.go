package rest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a header can ask for, so that one wrong number
// does not stop an EHR for a year.
const maxRetryAfter = 24 * time.Hour

// ParseRetryAfter reads a Retry-After header, which holds seconds or an HTTP
// date (RFC 9110 §10.2.3). The result is between 0 and 24 hours; false means
// that the header is absent or unreadable.
func ParseRetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if n, err := strconv.ParseUint(v, 10, 64); err == nil {
		return time.Duration(min(n, uint64(maxRetryAfter/time.Second))) * time.Second, true
	}
	if strings.Trim(v, "0123456789") == "" { // more digits than a uint64 holds
		return maxRetryAfter, true
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return min(max(t.Sub(now), 0), maxRetryAfter), true
}
