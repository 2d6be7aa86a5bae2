package phone

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

// GetJSON asks a vendor's API for one page of its log and decodes it into. It is for
// Historians. The error is a *fault.Error; an answer that is no JSON is Retry, since it
// is seldom the vendor's own (a page of a proxy, an answer that was cut off).
func GetJSON(ctx context.Context, c *rest.Client, req rest.Request, into any) error {
	req.Method = http.MethodGet
	resp, err := c.Do(ctx, req)
	if err != nil {
		return err
	}
	if json.Unmarshal(resp.Body, into) != nil {
		return fault.New(fault.Retry, req.Op, "the answer is not the JSON that the vendor documents").WithStatus(resp.Status).
			WithHint("check base_url; if it is right, the vendor changed its API")
	}
	return nil
}

// Now is what the clock of the settings says.
func (s Settings) Now() time.Time {
	if s.Clock == nil {
		return clock.System{}.Now()
	}
	return s.Clock.Now()
}
