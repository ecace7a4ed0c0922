package funcs

import (
	"fmt"
	"math/big"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/gocty"
)

// networkFunctions calculate with network addresses (RFC 4632), for IPv4 and
// IPv6.
func networkFunctions() map[string]function.Function {
	prefix := function.Parameter{Name: "prefix", Type: cty.String}
	number := func(name string) function.Parameter { return function.Parameter{Name: name, Type: cty.Number} }
	return map[string]function.Function{
		"cidrhost":    addressFunc([]function.Parameter{prefix, number("hostnum")}, cidrHost),
		"cidrnetmask": addressFunc([]function.Parameter{prefix}, cidrNetmask),
		"cidrsubnet":  addressFunc([]function.Parameter{prefix, number("newbits"), number("netnum")}, cidrSubnet),
		"cidrsubnets": cidrSubnetsFunc,
	}
}

func addressFunc(params []function.Parameter, f func(p netip.Prefix, n []int64) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: params,
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := netip.ParsePrefix(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "invalid CIDR expression: %v", err)
			}
			n := make([]int64, len(args)-1)
			for i := range n {
				if err := gocty.FromCtyValue(args[i+1], &n[i]); err != nil {
					return cty.NilVal, function.NewArgError(i+1, err)
				}
			}
			out, err := f(p.Masked(), n)
			return cty.StringVal(out), err
		},
	})
}

// offset adds n<<shift to the address of p.
func offset(p netip.Prefix, n *big.Int, shift int) netip.Addr {
	size := p.Addr().BitLen() / 8
	sum := new(big.Int).SetBytes(p.Addr().AsSlice())
	sum.Add(sum, new(big.Int).Lsh(n, uint(shift)))
	raw := make([]byte, size)
	sum.FillBytes(raw)
	addr, _ := netip.AddrFromSlice(raw)
	return addr
}

// fits reports whether n is a number of that many bits.
func fits(n *big.Int, bits int) bool { return n.Sign() >= 0 && n.BitLen() <= bits }

func cidrHost(p netip.Prefix, n []int64) (string, error) {
	bits := p.Addr().BitLen() - p.Bits()
	num := big.NewInt(n[0])
	if num.Sign() < 0 {
		num.Add(num, new(big.Int).Lsh(big.NewInt(1), uint(bits)))
	}
	if !fits(num, bits) {
		return "", function.NewArgErrorf(1, "prefix of %d does not accommodate a host numbered %d", p.Bits(), n[0])
	}
	return offset(p, num, 0).String(), nil
}

func cidrNetmask(p netip.Prefix, _ []int64) (string, error) {
	if !p.Addr().Is4() {
		return "", fmt.Errorf("IPv6 addresses cannot have a netmask")
	}
	ones, err := netip.AddrFrom4([4]byte{255, 255, 255, 255}).Prefix(p.Bits())
	return ones.Addr().String(), err
}

func cidrSubnet(p netip.Prefix, n []int64) (string, error) {
	bits, num := n[0], big.NewInt(n[1])
	size := p.Addr().BitLen()
	if bits < 0 || bits > int64(size-p.Bits()) {
		return "", function.NewArgErrorf(1, "insufficient address space to extend prefix of %d by %d", p.Bits(), bits)
	}
	length := p.Bits() + int(bits)
	if !fits(num, int(bits)) {
		return "", function.NewArgErrorf(2, "prefix extension of %d does not accommodate a subnet numbered %d", bits, n[1])
	}
	return netip.PrefixFrom(offset(p, num, size-length), length).String(), nil
}

// cidrSubnetsFunc lays networks out one behind the other, each prolonging the prefix
// by as many bits as one argument says.
var cidrSubnetsFunc = function.New(&function.Spec{
	Params:   []function.Parameter{{Name: "prefix", Type: cty.String}},
	VarParam: &function.Parameter{Name: "newbits", Type: cty.Number},
	Type:     function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := netip.ParsePrefix(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "invalid CIDR expression: %v", err)
		}
		if len(args) == 1 {
			return cty.ListValEmpty(cty.String), nil
		}
		p = p.Masked()
		size := p.Addr().BitLen()
		// next is the first address that is free, counted from that of p.
		next := new(big.Int)
		var out []cty.Value
		for i, a := range args[1:] {
			var bits int
			if err := gocty.FromCtyValue(a, &bits); err != nil {
				return cty.NilVal, function.NewArgError(i+1, err)
			}
			switch {
			case bits < 1:
				return cty.NilVal, function.NewArgErrorf(i+1, "must extend prefix by at least one bit")
			case bits > size-p.Bits():
				return cty.NilVal, function.NewArgErrorf(i+1, "not enough remaining address space for a subnet with a prefix of %d bits after %s", p.Bits()+bits, p)
			}
			block := new(big.Int).Lsh(big.NewInt(1), uint(size-p.Bits()-bits))
			// A network begins at a multiple of its size.
			next.Add(next, new(big.Int).Sub(block, big.NewInt(1)))
			next.Div(next, block).Mul(next, block)
			end := new(big.Int).Add(next, block)
			if end.Cmp(new(big.Int).Lsh(big.NewInt(1), uint(size-p.Bits()))) > 0 {
				return cty.NilVal, function.NewArgErrorf(i+1, "not enough remaining address space in %s for a subnet with a prefix of %d bits", p, p.Bits()+bits)
			}
			out = append(out, cty.StringVal(netip.PrefixFrom(offset(p, next, 0), p.Bits()+bits).String()))
			next = end
		}
		return cty.ListVal(out), nil
	},
})
