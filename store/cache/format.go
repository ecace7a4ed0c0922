package cache

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sysc/store"
	"sysc/store/sign"
)

// First lines of a cache's files. Another meaning needs another number.
const (
	cacheMagic   = "sysc cache 1"
	resultsMagic = "sysc cached results 1"
	objectMagic  = "sysc cached object 1"
)

// markerFile says that a directory is a cache.
const markerFile = "sysc-cache"

// Limits of what is read.
const (
	maxText       = 1 << 20 // of a file that is not a stream, in bytes
	maxNeeds      = 10_000
	maxSignatures = 1000
)

// A Result is what an output of a derivation came to, with who vouches for it.
type Result struct {
	store.Realisation
	Signatures []sign.Signature
}

// An objectInfo is the file objects/<path>. The stream has no signatures, so that it
// stays what it is when somebody else signs the object.
type objectInfo struct {
	stream store.Digest // of the compressed stream
	size   int64        // of it, in bytes
	// signatures vouch for the object, sorted.
	signatures []sign.Signature
	needs      []store.Path // what has to be valid before, sorted
}

// resultsFile is where the results of a derivation are.
func resultsFile(d store.DerivationHash) string {
	text := d.String()
	return "results/" + text[:2] + "/" + text[2:]
}

func objectFile(p store.Path) string { return "objects/" + string(p) }

func streamFile(d store.Digest) string { return "streams/" + d.Hex() }

// addressOf is the address of one of these files, which may have characters in its
// name that mean something there.
func addressOf(base, file string) string {
	parts := strings.Split(file, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.TrimSuffix(base, "/") + "/" + strings.Join(parts, "/")
}

// encodeResults writes what a derivation came to: a line for each output, with a
// line for each signature behind it.
func encodeResults(results []Result) []byte {
	var out bytes.Buffer
	out.WriteString(resultsMagic + "\n")
	for _, r := range slices.SortedFunc(slices.Values(results), func(a, b Result) int { return cmp.Compare(a.Output, b.Output) }) {
		fmt.Fprintf(&out, "result %s\n", store.EncodeRealisation(r.Realisation))
		for _, s := range r.Signatures {
			fmt.Fprintf(&out, "signature %s\n", s)
		}
	}
	return out.Bytes()
}

// decodeResults reads what encodeResults wrote of a derivation, and refuses
// everything else.
func decodeResults(data []byte, of store.DerivationHash) ([]Result, error) {
	lines, err := linesOf(data, resultsMagic)
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, line := range lines {
		key, value, _ := strings.Cut(line, " ")
		switch last := len(results) - 1; {
		case key == "result":
			r, err := store.DecodeRealisation([]byte(value))
			if err != nil {
				return nil, fmt.Errorf("result: %w", err)
			}
			if r.Derivation != of {
				return nil, errors.New("it is about another derivation")
			}
			if last >= 0 && results[last].Output >= r.Output {
				return nil, errors.New("its outputs are not in order")
			}
			results = append(results, Result{Realisation: r})
		case key == "signature" && last >= 0 && len(results[last].Signatures) < maxSignatures:
			s, err := sign.ParseSignature(value)
			if err != nil {
				return nil, err
			}
			results[last].Signatures = append(results[last].Signatures, s)
		default:
			return nil, fmt.Errorf("a line that does not belong there: %.40q", line)
		}
	}
	if len(results) == 0 {
		return nil, errors.New("it has no result")
	}
	return results, nil
}

func (i *objectInfo) encode() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\nstream %s %d\n", objectMagic, i.stream, i.size)
	for _, s := range i.signatures {
		fmt.Fprintf(&out, "signature %s\n", s)
	}
	for _, p := range i.needs {
		fmt.Fprintf(&out, "need %s\n", p)
	}
	return out.Bytes()
}

// decodeObject reads what encode wrote.
func decodeObject(data []byte) (*objectInfo, error) {
	lines, err := linesOf(data, objectMagic)
	if err != nil {
		return nil, err
	}
	info := &objectInfo{}
	for i, line := range lines {
		fields := strings.Split(line, " ")
		switch {
		case i == 0 && len(fields) == 3 && fields[0] == "stream":
			if info.stream, err = store.ParseDigest(fields[1]); err != nil {
				return nil, err
			}
			if info.size, err = strconv.ParseInt(fields[2], 10, 64); err != nil || info.size < 1 {
				return nil, fmt.Errorf("a stream of %.40q bytes", fields[2])
			}
		case i > 0 && len(fields) == 2 && fields[0] == "signature" && len(info.needs) == 0 && len(info.signatures) < maxSignatures:
			s, err := sign.ParseSignature(fields[1])
			if err != nil {
				return nil, err
			}
			info.signatures = append(info.signatures, s)
		case i > 0 && len(fields) == 2 && fields[0] == "need" && len(info.needs) < maxNeeds:
			p, err := store.ParsePath(fields[1])
			if err != nil {
				return nil, err
			}
			if n := len(info.needs); n > 0 && info.needs[n-1] >= p {
				return nil, errors.New("what it needs is not in order")
			}
			info.needs = append(info.needs, p)
		default:
			return nil, fmt.Errorf("a line that does not belong there: %.40q", line)
		}
	}
	if info.size == 0 {
		return nil, errors.New("it names no stream")
	}
	return info, nil
}

// linesOf takes a file apart that begins with a certain line.
func linesOf(data []byte, magic string) ([]string, error) {
	text, ended := strings.CutSuffix(string(data), "\n")
	if !ended {
		return nil, errors.New("its last line has no end")
	}
	lines := strings.Split(text, "\n")
	if lines[0] != magic {
		return nil, fmt.Errorf("it does not begin with %q", magic)
	}
	return lines[1:], nil
}
