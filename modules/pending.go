package modules

// pending are the requests met while a project is being locked, by address. The
// last one of an address counts; there is one address for each system and
// derivation.
type pending struct {
	requests map[string]rootRequest
}

func (p *pending) add(r rootRequest) { p.requests[r.address] = r }
