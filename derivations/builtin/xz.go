package builtin

import (
	"io"

	xz "github.com/mikelolasagasti/xz"

	"sysc/internal/lzma2"
)

const (
	// maxXZDict is the largest dictionary that a stream may ask for, in bytes.
	maxXZDict = lzma2.MaxDict
	// maxXZBlock is the largest block that is decoded aside, in bytes. Memory for
	// two to three of them is needed at a time.
	maxXZBlock = 32 << 20
)

// newXZReader decodes an .xz file (the format is "The .xz File Format" 1.2.1).
//
// What xz and dpkg-deb write unless they are told otherwise, one stream whose blocks
// have LZMA2 as their only filter, is decoded by [lzma2], and in parallel when there
// are several blocks; the index at its end tells where they begin. Anything else, and
// anything odd, goes to a decoder of all that .xz may be, which judges it.
func newXZReader(r *io.SectionReader, workers int) (io.ReadCloser, error) {
	stream, ok := readXZStream(r)
	switch {
	case ok && workers > 1 && len(stream.blocks) > 1 && stream.largest() <= maxXZBlock:
		return newParallelXZ(stream, workers), nil
	case ok:
		return &sequentialXZ{stream: stream, decoder: decoders.Get().(*xzDecoder)}, nil
	}
	whole, err := xz.NewReader(io.NewSectionReader(r, 0, r.Size()), maxXZDict)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(whole), nil
}

// A sequentialXZ decodes the blocks of one stream after one another.
type sequentialXZ struct {
	stream  *xzStream
	decoder *xzDecoder // nil when it is closed
	next    int        // the block to begin next
	reading bool       // the block before it is being read
}

// Read reads the decoded bytes.
func (s *sequentialXZ) Read(p []byte) (int, error) {
	if s.decoder == nil {
		return 0, errXZClosed
	}
	for {
		if !s.reading {
			if s.next == len(s.stream.blocks) {
				return 0, io.EOF
			}
			s.decoder.begin(s.stream, s.next)
			s.reading = true
			s.next++
		}
		n, err := s.decoder.Read(p)
		if err != io.EOF {
			return n, err
		}
		s.reading = false
	}
}

// Close lets the next stream have the decoder.
func (s *sequentialXZ) Close() error {
	if s.decoder != nil {
		decoders.Put(s.decoder)
		s.decoder = nil
	}
	return nil
}
