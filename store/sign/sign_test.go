package sign

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sysc/store"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testKey returns the same key for the same name.
func testKey(t testing.TB, name string) SecretKey {
	t.Helper()
	seed := store.DigestOf([]byte(name))
	k, err := ParseSecretKey(encodeKey(name, ed25519.NewKeyFromSeed(seed[:])))
	must(t, err)
	return k
}

func trust(t testing.TB, keys ...SecretKey) TrustedKeys {
	t.Helper()
	var public []PublicKey
	for _, k := range keys {
		public = append(public, k.Public())
	}
	trusted, err := Trust(public...)
	must(t, err)
	return trusted
}

// A vector has what another program needs to compare itself with: testdata/vectors.json.
type vector struct {
	Secret, Public string
	// Record is the object's, in hexadecimal, with its deriver.
	Record               string `json:",omitempty"`
	Derivation, Output   string `json:",omitempty"`
	Path                 store.Path
	Statement, Signature string
}

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	must(t, err)
	var vectors []vector
	must(t, json.Unmarshal(text, &vectors))
	if len(vectors) < 2 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		key, err := ParseSecretKey([]byte(v.Secret))
		must(t, err)
		if string(key.Encode()) != v.Secret || string(key.Public().Encode()) != v.Public {
			t.Errorf("the keys of %s are not what they were", v.Path)
		}
		var got Statement
		if v.Record != "" {
			record, err := hex.DecodeString(v.Record)
			must(t, err)
			o, err := store.DecodeRecord(record)
			must(t, err)
			if o.Deriver == "" || o.Path != v.Path {
				t.Errorf("%s: a vector should have a deriver: %+v", v.Path, o)
			}
			got = Object(&o)
		} else {
			hash, err := store.ParseDerivationHash(v.Derivation)
			must(t, err)
			got = Realisation(store.Realisation{Derivation: hash, Output: v.Output, Path: v.Path})
		}
		if string(got) != v.Statement {
			t.Errorf("statement %q, want %q: that needs another version", got, v.Statement)
		}
		if sig := key.Sign(got).String(); sig != v.Signature {
			t.Errorf("signature %s, want %s", sig, v.Signature)
		}
		sig, err := ParseSignature(v.Signature)
		must(t, err)
		if !key.Public().Verify(Statement(v.Statement), sig) {
			t.Errorf("%s: the signature is wrong", v.Path)
		}
	}
}

func object() store.Object {
	return store.Object{
		Path: "0123456789abcdfghijklmnpqrsvwxyz-app", Kind: store.KindTree, Tree: store.DigestOf([]byte("tree")),
		References:     []store.Path{"00000000000000000000000000000000-lib"},
		SelfReferences: []store.SelfReference{{File: "bin/app", Offset: 7}},
		Deriver:        "d",
	}
}

// Everything that makes an object or a realisation what it is changes the statement.
func TestStatementsDiffer(t *testing.T) {
	seen := map[string]string{}
	note := func(what string, s Statement) {
		if other, ok := seen[string(s)]; ok {
			t.Errorf("%s and %s have one statement", what, other)
		}
		seen[string(s)] = what
	}
	for what, change := range map[string]func(o *store.Object){
		"nothing":    func(o *store.Object) {},
		"path":       func(o *store.Object) { o.Path += "x" },
		"kind":       func(o *store.Object) { o.Kind = store.KindRoot },
		"tree":       func(o *store.Object) { o.Tree[31]++ },
		"references": func(o *store.Object) { o.References = nil },
		"self":       func(o *store.Object) { o.SelfReferences[0].Offset++ },
	} {
		o := object()
		change(&o)
		note(what, Object(&o))
	}
	r := store.Realisation{Derivation: store.DerivationHash{1}, Output: "out", Path: object().Path}
	note("realisation", Realisation(r))
	for what, other := range map[string]store.Realisation{
		"derivation": {Derivation: store.DerivationHash{2}, Output: r.Output, Path: r.Path},
		"output":     {Derivation: r.Derivation, Output: "doc", Path: r.Path},
		"its path":   {Derivation: r.Derivation, Output: r.Output, Path: r.Path + "x"},
	} {
		note(what, Realisation(other))
	}
	o := object()
	want := Object(&o)
	o.Deriver, o.Size = "another", 4711
	if !bytes.Equal(Object(&o), want) || o.Deriver != "another" {
		t.Error("the deriver or the size matters, or the object was changed")
	}
}

func TestTrust(t *testing.T) {
	a, b, evil := testKey(t, "a"), testKey(t, "b"), testKey(t, "evil")
	evil.name = "a" // it says so
	o := object()
	s := Object(&o)
	other := Realisation(store.Realisation{Path: o.Path})
	for _, tt := range []struct {
		what string
		sigs []Signature
		want []string
	}{
		{"none", nil, nil},
		{"one", []Signature{a.Sign(s)}, []string{"a"}},
		{"both, twice", []Signature{b.Sign(s), a.Sign(s), b.Sign(s)}, []string{"a", "b"}},
		{"an impostor", []Signature{evil.Sign(s)}, nil},
		{"an impostor first", []Signature{evil.Sign(s), a.Sign(s)}, []string{"a"}},
		{"something else", []Signature{a.Sign(other)}, nil},
		{"an unknown key", []Signature{testKey(t, "c").Sign(s)}, nil},
		{"zeros", []Signature{{Key: "a"}}, nil},
	} {
		if got := trust(t, a, b, b).Verify(s, tt.sigs); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.what, got, tt.want)
		}
		if got := (TrustedKeys{}).Verify(s, tt.sigs); got != nil {
			t.Errorf("%s: nobody is trusted, but %q vouch", tt.what, got)
		}
	}
	sig := a.Sign(s)
	for i := range sig.Bytes {
		sig.Bytes[i] ^= 0x10
		if got := trust(t, a).Verify(s, []Signature{sig}); got != nil {
			t.Errorf("byte %d changed: still good", i)
		}
		sig.Bytes[i] ^= 0x10
	}
	if _, err := Trust(a.Public(), evil.Public()); err == nil || !strings.Contains(err.Error(), `called "a"`) {
		t.Errorf("two keys of one name: %v", err)
	}
}

func TestDivide(t *testing.T) {
	a, b, c, evil := testKey(t, "a"), testKey(t, "b"), testKey(t, "c"), testKey(t, "evil")
	evil.name = "a" // it says so
	o := object()
	s := Object(&o)
	junk := Signature{Key: "d"}
	trusted, others := trust(t, a, b).Divide(s, []Signature{c.Sign(s), b.Sign(s), evil.Sign(s), junk, a.Sign(s), {Key: "b"}, b.Sign(s)})
	if want := []Signature{a.Sign(s), b.Sign(s)}; !slices.Equal(trusted, want) {
		t.Errorf("trusted %v, want %v", trusted, want)
	}
	if want := []Signature{c.Sign(s), junk}; !slices.Equal(others, want) {
		t.Errorf("others %v, want %v", others, want)
	}
	if trusted, others := (TrustedKeys{}).Divide(s, []Signature{a.Sign(s)}); trusted != nil || len(others) != 1 {
		t.Errorf("nobody is trusted: %v, %v", trusted, others)
	}
}

// The owner of a trusted key can make many signatures of one thing; one is enough.
func TestDivideTakesOneOfEachKey(t *testing.T) {
	k := testKey(t, "a")
	o := object()
	s := Object(&o)
	sigs := []Signature{k.Sign(s), signAnew(k, s, "1"), signAnew(k, s, "2")}
	for _, sig := range sigs {
		if !k.Public().Verify(s, sig) {
			t.Fatalf("%s is wrong", sig)
		}
	}
	trusted, others := trust(t, k).Divide(s, sigs)
	if len(trusted) != 1 || len(others) != 0 {
		t.Errorf("trusted %v, others %v", trusted, others)
	}
}

// signAnew makes another right signature by the same key: RFC 8032, 5.1.6, with a
// nonce of its own.
func signAnew(k SecretKey, s Statement, nonce string) Signature {
	seed := sha256.Sum256([]byte(nonce))
	r := ed25519.NewKeyFromSeed(seed[:])
	hash := sha512.New()
	for _, part := range [][]byte{r[ed25519.SeedSize:], k.key()[ed25519.SeedSize:], s} {
		hash.Write(part)
	}
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	sum := littleEndian(hash.Sum(nil))
	sum.Mul(sum, scalar(k.key())).Add(sum, scalar(r)).Mod(sum, order)
	sig := Signature{Key: k.Name()}
	copy(sig.Bytes[:], r[ed25519.SeedSize:])
	sum.FillBytes(sig.Bytes[32:])
	slices.Reverse(sig.Bytes[32:])
	return sig
}

// scalar returns the number that a private key is: RFC 8032, 5.1.5.
func scalar(k ed25519.PrivateKey) *big.Int {
	h := sha512.Sum512(k.Seed())
	h[0] &= 248
	h[31] = h[31]&127 | 64
	return littleEndian(h[:32])
}

func littleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func TestGenerate(t *testing.T) {
	a, err := Generate("ci-1")
	must(t, err)
	b, err := Generate("ci-1")
	must(t, err)
	if a.Public() == b.Public() || a.Name() != "ci-1" || a.Public().Name() != "ci-1" {
		t.Errorf("%v, %v", a.Public(), b.Public())
	}
	again, err := ParseSecretKey(a.Encode())
	if err != nil || again.Public() != a.Public() {
		t.Errorf("%v, %v", again, err)
	}
	public, err := ParsePublicKey([]byte(a.Public().String())) // without a newline
	if err != nil || public != a.Public() {
		t.Errorf("%v, %v", public, err)
	}
	for _, bad := range []string{"", "a:b", "a b", ".a", "a\n", strings.Repeat("a", store.MaxNameLen+1)} {
		if _, err := Generate(bad); err == nil {
			t.Errorf("a key called %q", bad)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	k := testKey(t, "k")
	secret, public := string(k.Encode()), string(k.Public().Encode())
	foreign := append([]byte(nil), k.key()[:32]...)
	foreign = append(foreign, testKey(t, "other").Public().Encode()[:32]...)
	common := func(good string) map[string]string {
		return map[string]string{
			"empty":         "",
			"no colon":      strings.ReplaceAll(good, ":", ""),
			"no name":       good[1:],
			"bad name":      "../" + good,
			"two names":     "a:" + good,
			"space":         " " + good,
			"trailing line": good + "\n",
			"second key":    good + good,
			"line break":    good[:10] + "\n" + good[10:],
			"CRLF":          strings.TrimSuffix(good, "\n") + "\r\n",
			"short":         good[:len(good)-5] + "\n",
			"no padding":    strings.TrimRight(good, "=\n"),
			"not base 64":   good[:10] + "*" + good[11:],
			"large":         "k:" + strings.Repeat("A", MaxKeyFile),
		}
	}
	secrets, publics := common(secret), common(public)
	secrets["public"], publics["secret"] = public, secret
	secrets["halves"] = string(encodeKey("k", foreign))
	// The last character before the padding has bits that mean nothing.
	publics["other bits"] = strings.TrimSuffix(public, "=\n")[:len(public)-3] + "B=\n"
	for what, text := range secrets {
		if got, err := ParseSecretKey([]byte(text)); err == nil {
			t.Errorf("secret key, %s: %v", what, got)
		}
	}
	for what, text := range publics {
		if got, err := ParsePublicKey([]byte(text)); err == nil {
			t.Errorf("public key, %s: %v", what, got)
		}
	}
	sig := k.Sign(Statement("s")).String()
	for what, text := range map[string]string{
		"empty": "", "no colon": "k", "no name": sig[1:], "name": "k k" + sig[1:], "newline": sig + "\n", "short": sig[:len(sig)-4],
		"long": sig[:len(sig)-2] + "AAAAAA==",
	} {
		if got, err := ParseSignature(text); err == nil {
			t.Errorf("signature, %s: %v", what, got)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	k := testKey(t, "k")
	path := filepath.Join(dir, "key")
	must(t, os.WriteFile(path, k.Encode(), 0o600))
	if got, err := ReadSecretKey(path); err != nil || got.Public() != k.Public() {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ReadPublicKey(path); err == nil || !strings.Contains(err.Error(), "it is a secret key") {
		t.Errorf("secret as public: %v", err)
	}
	must(t, os.WriteFile(path, k.Public().Encode(), 0o600))
	if got, err := ReadPublicKey(path); err != nil || got != k.Public() {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ReadSecretKey(path); err == nil || !strings.Contains(err.Error(), "it is a public key") {
		t.Errorf("public as secret: %v", err)
	}
	must(t, os.WriteFile(path, bytes.Repeat([]byte("a"), 1<<20), 0o600))
	fifo := filepath.Join(dir, "fifo")
	must(t, unix.Mkfifo(fifo, 0o600)) // reading it would wait for ever
	for _, bad := range []string{path, fifo, dir, filepath.Join(dir, "missing")} {
		if _, err := ReadPublicKey(bad); err == nil {
			t.Errorf("%s: no error", bad)
		}
		if _, err := ReadSecretKey(bad); err == nil || !strings.Contains(err.Error(), filepath.Base(bad)) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// However a key is printed, and whatever goes wrong with it, the secret stays
// one.
func TestNoSecretShown(t *testing.T) {
	k := testKey(t, "k")
	raw := []byte(k.key())
	text := strings.TrimSuffix(strings.TrimPrefix(string(k.Encode()), "k:"), "\n")
	var shown []string
	type holder struct {
		key  SecretKey // fmt does not call its methods here
		List []SecretKey
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
		for _, arg := range []any{k, &k, []SecretKey{k}, holder{k, []SecretKey{k}}, map[string]SecretKey{"k": k}} {
			shown = append(shown, fmt.Sprintf(verb, arg))
		}
	}
	asJSON, err := json.Marshal(holder{k, []SecretKey{k}})
	must(t, err)
	shown = append(shown, string(asJSON))
	for i := range text { // something wrong at each place
		for _, bad := range []string{text[:i] + ":" + text[i:], "k:" + text[:i] + "*" + text[i:], text[:i] + "\n" + text[i:], "k:" + text[:i]} {
			_, err := ParseSecretKey([]byte(bad))
			_, err2 := ParsePublicKey([]byte(bad))
			_, err3 := ParseSignature(bad)
			shown = append(shown, fmt.Sprint(err, err2, err3))
		}
	}
	const part = 6 // characters that nobody guesses by chance
	secretText := base64.StdEncoding.EncodeToString(raw[:30])
	for _, s := range shown {
		for i := range len(secretText) - part {
			if strings.Contains(s, secretText[i:i+part]) {
				t.Fatalf("%q shows %q of the secret", s, secretText[i:i+part])
			}
		}
		for _, encoded := range []string{fmt.Sprintf("%x", raw[:4]), fmt.Sprintf("%d %d %d", raw[0], raw[1], raw[2]), string(raw[:4])} {
			if strings.Contains(strings.ToLower(s), encoded) {
				t.Fatalf("%q shows the secret", s)
			}
		}
	}
}

func TestMerge(t *testing.T) {
	a, b := Signature{Key: "a"}, Signature{Key: "b"}
	c := b
	c.Bytes[0] = 1
	if got := Merge([]Signature{c, b}, nil, []Signature{a, b}); !reflect.DeepEqual(got, []Signature{a, b, c}) {
		t.Errorf("%v", got)
	}
	if err := (Signature{}).Check(); err == nil {
		t.Error("a signature of no key")
	}
}

func FuzzParseSecretKey(f *testing.F) {
	f.Add(testKey(f, "k").Encode())
	f.Add(testKey(f, "k").Public().Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParseSecretKey(data)
		if err != nil {
			return
		}
		if got := k.Encode(); !bytes.Equal(bytes.TrimSuffix(got, []byte("\n")), bytes.TrimSuffix(data, []byte("\n"))) {
			t.Errorf("%q becomes %q", data, got)
		}
		if !k.Public().Verify(Statement("s"), k.Sign(Statement("s"))) {
			t.Error("it does not know its own signature")
		}
	})
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(testKey(f, "k").Public().Encode())
	f.Add(testKey(f, "k").Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParsePublicKey(data)
		if err != nil {
			return
		}
		if got := k.Encode(); !bytes.Equal(bytes.TrimSuffix(got, []byte("\n")), bytes.TrimSuffix(data, []byte("\n"))) {
			t.Errorf("%q becomes %q", data, got)
		}
		k.Verify(Statement("s"), Signature{Key: k.Name()}) // must not panic
	})
}

func FuzzParseSignature(f *testing.F) {
	f.Add(testKey(f, "k").Sign(Statement("s")).String())
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSignature(text)
		if err != nil {
			return
		}
		if s.String() != text {
			t.Errorf("%q becomes %q", text, s.String())
		}
		must(t, s.Check())
	})
}
