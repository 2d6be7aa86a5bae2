package calls

import "strings"

// channel is an Asterisk channel name taken apart: "SIP/301-0000001a" is peer
// 301 on technology SIP.
type channel struct {
	tech, peer string
	// pair and half are set for a Local channel, "Local/ch1@ctx-00000003;2": a
	// pipe inside the PBX whose two ends are logged as two channels. Half 1 is
	// what was rung; half 2 runs the dialplan and rings on.
	pair string
	half byte
}

func parseChannel(name string) channel {
	tech, rest, ok := strings.Cut(name, "/")
	if !ok {
		return channel{peer: name}
	}
	c := channel{tech: tech}
	if base, half, ok := strings.Cut(rest, ";"); ok && strings.EqualFold(tech, "Local") && len(half) == 1 {
		c.pair, c.half = base, half[0]
		rest = base
	}
	c.peer = rest
	if i := strings.LastIndexByte(rest, '-'); i > 0 {
		c.peer = rest[:i]
	}
	return c
}

// helper reports whether the channel is the inner half of a Local channel: a
// leg on it is never a call of its own.
func (c channel) helper() bool { return c.half == '2' }

// station reports whether the channel can be a phone named by its extension. A
// line of a telephony card is named by its number on the card, which says
// nothing.
func (c channel) station(r Rules) bool {
	switch strings.ToUpper(c.tech) {
	case "SIP", "PJSIP", "IAX2", "SCCP", "SKINNY":
		return r.extension(c.peer)
	default:
		return false
	}
}
