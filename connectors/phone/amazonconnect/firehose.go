package amazonconnect

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/ringback-health/ringback/connectors/phone"
)

// maxBody bounds what a compressed body may grow to. Firehose sends at most 64 MiB of
// buffered records; a clinic's contact records of some minutes are far below this.
const maxBody = 16 << 20

// plain is the body of a request, decompressed where Firehose was set up to compress.
// What was announced as gzip and is none is kept as it came: it is stored, and Read
// says what is wrong.
func plain(r phone.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return r.Body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(r.Body))
	if err != nil {
		return r.Body, nil
	}
	out, err := io.ReadAll(io.LimitReader(z, maxBody+1))
	switch {
	case len(out) > maxBody:
		return nil, &phone.Refused{Status: http.StatusRequestEntityTooLarge, Reason: fmt.Sprintf("the body is longer than %d bytes when it is decompressed; lower the buffer size of the stream", maxBody)}
	case err != nil:
		return r.Body, nil
	}
	return out, nil
}

// delivery is what Firehose posts.
type delivery struct {
	RequestID string       `json:"requestId"`
	Timestamp phone.Scalar `json:"timestamp"` // milliseconds since 1970
	Records   []struct {
		Data string `json:"data"` // base64
	} `json:"records"`
}

// receiveFirehose makes an event of each contact record of a delivery. Records that
// cannot be taken apart are stored as they came.
func receiveFirehose(r phone.Request, body []byte) phone.Receipt {
	var d delivery
	err := json.Unmarshal(body, &d)
	out := phone.Receipt{Answer: firehoseAnswer(r, d)}
	if err != nil || d.Records == nil {
		if len(body) > 0 {
			out.Events = append(out.Events, eventOf(body, r))
		}
		return out
	}
	for _, record := range d.Records {
		raw, err := base64.StdEncoding.DecodeString(record.Data)
		if err != nil {
			raw = []byte(record.Data)
		}
		for _, one := range split(raw) {
			out.Events = append(out.Events, eventOf(one, r))
		}
	}
	return out
}

// split takes a Firehose record apart: a Kinesis stream hands over one contact record
// each, a stream that aggregates or adds line breaks several in a row. From where it
// is no JSON any more, the rest stays together.
func split(raw []byte) (out [][]byte) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	for {
		from := dec.InputOffset()
		var one json.RawMessage
		err := dec.Decode(&one)
		switch {
		case errors.Is(err, io.EOF):
			return out
		case err != nil:
			return append(out, bytes.TrimSpace(raw[from:]))
		}
		out = append(out, one)
	}
}

// firehoseAnswer is the answer that Firehose takes for a delivery: its request id and
// a time. It takes anything else for a failure and sends the records again.
func firehoseAnswer(r phone.Request, d delivery) phone.Answer {
	id := r.Header.Get(requestID)
	if id == "" {
		id = d.RequestID
	}
	body, err := json.Marshal(struct {
		RequestID string `json:"requestId"`
		Timestamp int64  `json:"timestamp"`
	}{id, r.At.UnixMilli()})
	if err != nil { // a text and a number can always be written
		panic("amazonconnect: " + err.Error())
	}
	return phone.Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}
