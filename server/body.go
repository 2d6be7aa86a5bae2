package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// bodyLimit is the most that is read of a body.
const bodyLimit = 1 << 20

// receiveBody reads the body once, within the limit, and keeps it as it came:
// the ledger stores exactly these bytes. It runs after authorize, so that nobody
// unknown makes the server read.
func receiveBody(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	body, problem := readBody(w, r)
	if problem != nil {
		problem.write(w)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json") // however it was written
	next(huma.WithValue(ctx, bodyKey, body))
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *Problem) {
	if r.ContentLength > bodyLimit {
		return nil, kindTooLarge.problem().with("Connection", "close")
	}
	if r.ContentLength != 0 && !isJSON(r.Header.Get("Content-Type")) {
		return nil, kindMediaType.problem()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	var tooLarge *http.MaxBytesError
	var slow net.Error
	switch {
	case err == nil && !utf8.Valid(body):
		return nil, kindMalformed.say("The body is not UTF-8. Send it in UTF-8.")
	case err == nil:
		return body, nil
	case errors.As(err, &tooLarge):
		return nil, kindTooLarge.problem()
	case errors.As(err, &slow) && slow.Timeout():
		return nil, kindTimeout.problem()
	default:
		return nil, kindMalformed.say("The body ended before it was complete. Send it again.")
	}
}

// isJSON reports whether a content type is JSON in UTF-8, the only charset JSON has.
func isJSON(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	charset := params["charset"]
	return err == nil && media == "application/json" && (charset == "" || strings.EqualFold(charset, "utf-8"))
}

// bodyOf returns the body as it came. The caller may keep it.
func bodyOf(ctx context.Context) []byte {
	body, _ := ctx.Value(bodyKey).([]byte)
	return body
}
