package erofs

import (
	"encoding/binary"
	"math/bits"
)

// Primes of xxHash (its specification, XXH32).
const (
	prime1 uint32 = 2654435761
	prime2 uint32 = 2246822519
	prime3 uint32 = 3266489917
	prime4 uint32 = 668265263
	prime5 uint32 = 374761393
)

// xxh32 returns the hash XXH32 of s.
func xxh32(s string, seed uint32) uint32 {
	p := []byte(s)
	h := seed + prime5
	if len(p) >= 16 {
		var lanes [4]uint32
		lanes[0], lanes[1], lanes[2], lanes[3] = seed+prime1+prime2, seed+prime2, seed, seed-prime1
		for ; len(p) >= 16; p = p[16:] {
			for i := range lanes {
				in := binary.LittleEndian.Uint32(p[4*i:])
				lanes[i] = bits.RotateLeft32(lanes[i]+in*prime2, 13) * prime1
			}
		}
		h = bits.RotateLeft32(lanes[0], 1) + bits.RotateLeft32(lanes[1], 7) +
			bits.RotateLeft32(lanes[2], 12) + bits.RotateLeft32(lanes[3], 18)
	}
	h += uint32(len(s))
	for ; len(p) >= 4; p = p[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(p)*prime3, 17) * prime4
	}
	for _, b := range p {
		h = bits.RotateLeft32(h+uint32(b)*prime5, 11) * prime1
	}
	h = (h ^ h>>15) * prime2
	h = (h ^ h>>13) * prime3
	return h ^ h>>16
}
