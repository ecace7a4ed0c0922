package lzma2

// The model of LZMA. Each probability is that of a bit being 0, in 2048ths.
const (
	probBits = 11
	probHalf = 1 << (probBits - 1)
	moveBits = 5

	states    = 12
	litStates = 7 // states below follow a literal
	posStates = 16

	minMatch   = 2
	distStates = 4  // lengths of 2, 3, 4 and more have slots of their own
	distSlots  = 64 // the two highest bits of a distance, and how many there are
	lenLow     = 8  // lengths with three bits: 2 to 9
	lenMid     = 8  // 10 to 17
	lenHigh    = 256

	// Slots below slotSpecial are distances; those below slotDirect have further
	// bits with a model of each, those above have alignBits of them, behind bits
	// without a model.
	slotSpecial = 4
	slotDirect  = 14
	alignBits   = 4

	litSize = 0x300 // one literal coder
	maxLit  = 4     // of lc+lp
)

// Where each part of the model begins in the one array of probabilities.
const (
	isMatch    = 0
	isRep      = isMatch + states*posStates
	isRep0     = isRep + states
	isRep1     = isRep0 + states
	isRep2     = isRep1 + states
	isRep0Long = isRep2 + states
	distSlot   = isRep0Long + states*posStates
	distBits   = distSlot + distStates*distSlots
	distAlign  = distBits + 128
	matchLen   = distAlign + 1<<alignBits
	repLen     = matchLen + lenSize
	literal    = repLen + lenSize

	// A coder of lengths: two choices, then the trees.
	lenLowAt  = 2
	lenMidAt  = lenLowAt + posStates*lenLow
	lenHighAt = lenMidAt + posStates*lenMid
	lenSize   = lenHighAt + lenHigh

	// The arrays' lengths are powers of two, so that an index cut to its bits is
	// known to be inside.
	probMask  = 1<<14 - 1
	inputMask = 1<<17 - 1
)

// Literals fit behind the rest, and what one symbol can take fits behind a chunk.
var (
	_ [probMask + 1 - literal - litSize<<maxLit]struct{}
	_ [inputMask + 1 - maxPacked - maxSymbol]struct{}
)

// maxSymbol is more bytes than one symbol can take: 22 bits with a model, each of
// which takes up to 11 bits of input, and 26 without are 33 bytes at most.
const maxSymbol = 64

// normalise reads a byte when the range has become small.
func normalise(rng, code uint32, in *[inputMask + 1]byte, at uint) (uint32, uint32, uint) {
	if rng < 1<<24 {
		return rng << 8, code<<8 | uint32(in[at&inputMask]), at + 1
	}
	return rng, code, at
}

// bit decodes a bit whose probability of being 0 is p. It returns the new range,
// code and probability, and the bit. It has no branches: half of the bits of
// literals cannot be foreseen, and a branch foreseen wrongly costs more than all
// of this.
func bit(rng, code uint32, p uint16) (uint32, uint32, uint16, uint32) {
	bound := rng >> probBits * uint32(p)
	zero := uint32((int64(code) - int64(bound)) >> 63) // all ones for a 0
	rng -= bound
	rng += zero & (bound - rng)
	code -= bound &^ zero
	// p - p/32 for a 1, p + (2048-p)/32 for a 0.
	p -= uint16(int32(uint32(p)-zero&(1<<probBits-31)) >> moveBits)
	return rng, code, p, zero + 1
}

// chunk decodes size bytes from a chunk of LZMA, n bytes of d.in, into the window.
// It returns false when the chunk is damaged.
func (d *Decoder) chunk(n uint, size int) bool {
	in, probs := &d.in, &d.probs
	if n < 5 || in[0] != 0 {
		return false
	}
	var (
		rng   = ^uint32(0)
		code  = uint32(in[1])<<24 | uint32(in[2])<<16 | uint32(in[3])<<8 | uint32(in[4])
		at    = uint(5)
		buf   = d.window[:d.end+size]
		pos   = d.end
		state = d.state
		rep   = d.rep
		b     uint32
	)
	for pos < len(buf) {
		if at > n {
			return false
		}
		posState := uint32(pos+d.offset) & d.posMask
		i := isMatch + state*posStates + posState
		rng, code, at = normalise(rng, code, in, at)
		rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
		if b == 0 {
			var before byte
			if pos > d.begin {
				before = buf[pos-1]
			}
			coder := literal + litSize*(uint32(before)>>(8-d.lc)+(uint32(pos+d.offset)&d.litMask)<<d.lc)
			symbol := uint32(1)
			if state >= litStates {
				// The byte that the last match would have gone on with is part of
				// the model, as long as the bits are the same.
				back := pos - int(rep[0]) - 1
				if back < d.begin {
					return false
				}
				match := uint32(buf[back]) << 1
				same := uint32(0x100)
				for symbol < 0x100 {
					with := match & same
					i := coder + same + with + symbol
					rng, code, at = normalise(rng, code, in, at)
					rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
					symbol = symbol<<1 | b
					same &= with ^ (b - 1)
					match <<= 1
				}
			} else {
				for symbol < 0x100 {
					i := coder + symbol
					rng, code, at = normalise(rng, code, in, at)
					rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
					symbol = symbol<<1 | b
				}
			}
			buf[pos] = byte(symbol)
			pos++
			switch {
			case state < 4:
				state = 0
			case state < 10:
				state -= 3
			default:
				state -= 6
			}
			continue
		}
		var lengths uint32
		i = isRep + state
		rng, code, at = normalise(rng, code, in, at)
		rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
		if b != 0 {
			// A match at one of the last four distances.
			i = isRep0 + state
			rng, code, at = normalise(rng, code, in, at)
			rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
			if b == 0 {
				i = isRep0Long + state*posStates + posState
				rng, code, at = normalise(rng, code, in, at)
				rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
				if b == 0 {
					back := pos - int(rep[0]) - 1
					if back < d.begin {
						return false
					}
					buf[pos] = buf[back]
					pos++
					if state < litStates {
						state = 9
					} else {
						state = 11
					}
					continue
				}
			} else {
				i = isRep1 + state
				rng, code, at = normalise(rng, code, in, at)
				rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
				if b == 0 {
					rep[0], rep[1] = rep[1], rep[0]
				} else {
					i = isRep2 + state
					rng, code, at = normalise(rng, code, in, at)
					rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
					if b == 0 {
						rep[0], rep[1], rep[2] = rep[2], rep[0], rep[1]
					} else {
						rep[0], rep[1], rep[2], rep[3] = rep[3], rep[0], rep[1], rep[2]
					}
				}
			}
			lengths = repLen
			if state < litStates {
				state = 8
			} else {
				state = 11
			}
		} else {
			rep[1], rep[2], rep[3] = rep[0], rep[1], rep[2]
			lengths = matchLen
			if state < litStates {
				state = 7
			} else {
				state = 10
			}
		}

		// The length.
		var tree, limit uint32
		length := uint32(minMatch)
		rng, code, at = normalise(rng, code, in, at)
		rng, code, probs[lengths&probMask], b = bit(rng, code, probs[lengths&probMask])
		if b == 0 {
			tree, limit = lengths+lenLowAt+posState*lenLow, lenLow
		} else {
			i = lengths + 1
			rng, code, at = normalise(rng, code, in, at)
			rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
			if b == 0 {
				tree, limit = lengths+lenMidAt+posState*lenMid, lenMid
				length += lenLow
			} else {
				tree, limit = lengths+lenHighAt, lenHigh
				length += lenLow + lenMid
			}
		}
		symbol := uint32(1)
		for symbol < limit {
			i = tree + symbol
			rng, code, at = normalise(rng, code, in, at)
			rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
			symbol = symbol<<1 | b
		}
		length += symbol - limit

		// The distance of a new match.
		if lengths == matchLen {
			tree = distSlot + min(length-minMatch, distStates-1)*distSlots
			symbol = 1
			for symbol < distSlots {
				i = tree + symbol
				rng, code, at = normalise(rng, code, in, at)
				rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
				symbol = symbol<<1 | b
			}
			slot := symbol - distSlots
			dist := slot
			if slot >= slotSpecial {
				bits := slot>>1 - 1
				dist = 2 | slot&1
				if slot < slotDirect {
					tree = distBits + dist<<bits - slot
					dist <<= bits
				} else {
					for range bits - alignBits {
						rng, code, at = normalise(rng, code, in, at)
						rng >>= 1
						zero := uint32((int64(code) - int64(rng)) >> 63)
						code -= rng &^ zero
						dist = dist<<1 + zero + 1
					}
					dist <<= alignBits
					tree, bits = distAlign, alignBits
				}
				symbol = 1
				for k := range bits {
					i = tree + symbol
					rng, code, at = normalise(rng, code, in, at)
					rng, code, probs[i&probMask], b = bit(rng, code, probs[i&probMask])
					symbol = symbol<<1 | b
					dist |= b << (k & 31)
				}
			}
			rep[0] = dist
		}

		// Copy. What is copied may be what has just been written.
		from := pos - int(rep[0]) - 1
		to := pos + int(length)
		if from < d.begin || int(rep[0]) >= d.dict || to > len(buf) {
			return false
		}
		if to-pos <= pos-from {
			copy(buf[pos:to], buf[from:])
		} else {
			repeat(buf[from:to], pos-from)
		}
		pos = to
	}
	_, code, at = normalise(rng, code, in, at)
	d.end, d.state, d.rep = pos, state, rep
	return at == n && code == 0
}

// repeat fills p with its first n bytes over and over.
func repeat(p []byte, n int) {
	for n < len(p) {
		n += copy(p[n:], p[:n])
	}
}

// resetState forgets what was learned of the contents.
func (d *Decoder) resetState() {
	for i := range d.probs {
		d.probs[i] = probHalf
	}
	d.state, d.rep = 0, [4]uint32{}
}
