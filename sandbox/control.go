package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// controlPath is where the switches stand below the root of the listener. No fault
// and no token applies there.
const controlPath = "/_sandbox"

// control answers /_sandbox/faults, /_sandbox/requests and /_sandbox/clients.
func (s *Server) control(r *http.Request) response {
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, controlPath) {
	case "GET /faults":
		return reply(http.StatusOK, typeJSON, encode(s.faults.List()))
	case "POST /faults":
		if err := s.addFault(r); err != nil {
			return refuse(err)
		}
		return reply(http.StatusCreated, typeJSON, encode(s.faults.List()))
	case "DELETE /faults":
		s.faults.Clear()
		return response{status: http.StatusNoContent}
	case "GET /requests":
		requests := s.Requests()
		if requests == nil {
			requests = []Request{}
		}
		return reply(http.StatusOK, typeJSON, encode(requests))
	case "DELETE /requests":
		s.ClearRequests()
		return response{status: http.StatusNoContent}
	case "POST /clients":
		if err := s.registerClient(r); err != nil {
			return refuse(err)
		}
		return response{status: http.StatusNoContent}
	default:
		return refuse(problem(http.StatusNotFound, "not-found",
			"GET, POST and DELETE %[1]s/faults; GET and DELETE %[1]s/requests; POST %[1]s/clients", controlPath))
	}
}

func (s *Server) addFault(r *http.Request) error {
	body, err := readBody(r, typeJSON)
	if err != nil {
		return err
	}
	var fault Fault
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields() // a mistyped switch must not be a fault that never acts
	if err := dec.Decode(&fault); err != nil {
		return problem(http.StatusBadRequest, "structure", "the body is not a fault: %v", err)
	}
	if err := s.faults.Add(fault); err != nil {
		return problem(http.StatusBadRequest, "invalid", "%v", err)
	}
	return nil
}
