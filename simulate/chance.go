package simulate

import (
	"math"
	"math/rand/v2"
	"time"
)

// stream is a source of chance of its own. Each person's story draws from one, so that
// what the daemon does to one story changes no other.
func stream(seed uint64, clinic, kind, n int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(clinic)<<48|uint64(kind)<<40|uint64(n)))
}

// The kinds of streams.
const (
	streamClinic = iota
	streamPeople
	streamDay
	streamWish
	streamDesk
	streamStory
)

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// between returns a duration from a to b, to the second.
func between(r *rand.Rand, a, b time.Duration) time.Duration {
	return a + time.Duration(r.Int64N(int64((b-a)/time.Second)+1))*time.Second
}

// about returns a duration with the mean, exponentially distributed, to the second.
func about(r *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(r.ExpFloat64()*mean.Seconds()) * time.Second
}

// poisson returns how often something happens that happens mean times.
func poisson(r *rand.Rand, mean float64) int {
	n, p, limit := 0, r.Float64(), math.Exp(-mean)
	for p > limit {
		n++
		p *= r.Float64()
	}
	return n
}

// share draws one of several values by their shares.
func share[T any](r *rand.Rand, of ...shared[T]) T {
	sum := 0.0
	for _, s := range of {
		sum += s.part
	}
	at := r.Float64() * sum
	for _, s := range of {
		if at -= s.part; at < 0 {
			return s.value
		}
	}
	return of[len(of)-1].value
}

type shared[T any] struct {
	part  float64
	value T
}
