package rest

// Settle returns when a fetches no token any more.
func Settle(a Authenticator) {
	s := a.(*tokenSource)
	s.mu.Lock()
	f := s.flight
	s.mu.Unlock()
	if f != nil {
		<-f.done
	}
}

// Expire makes the token of a due at once.
func Expire(a Authenticator) {
	s := a.(*tokenSource)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = token{}
}
