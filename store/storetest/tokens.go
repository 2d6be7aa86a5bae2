package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
)

func tokens(t *testing.T, l Ledger) {
	ctx := t.Context()
	token := func(name string, n int) callback.Token {
		return callback.Token{ID: callback.NewID(), Name: name, Role: callback.RoleStaff,
			Hash: strings.Repeat(fmt.Sprint(n), 64), CreatedAt: noon.Add(time.Duration(n) * time.Minute)}
	}
	form, desk := token("form", 1), token("desk", 2)
	must(t, l.AddToken(ctx, form))
	must(t, l.AddToken(ctx, desk))
	want(t, l.AddToken(ctx, token("form", 3)), callback.ErrInvalid)
	for _, change := range []func(*callback.Token){
		func(t *callback.Token) { t.ID = "" }, func(t *callback.Token) { t.Name = "" },
		func(t *callback.Token) { t.Role = "root" }, func(t *callback.Token) { t.Hash = "short" },
		func(t *callback.Token) { t.RevokedAt = noon },
	} {
		bad := token("bad", 4)
		change(&bad)
		want(t, l.AddToken(ctx, bad), callback.ErrInvalid)
	}
	got, err := l.TokenByHash(ctx, form.Hash)
	must(t, err)
	same(t, "by hash", got, form)
	_, err = l.TokenByHash(ctx, strings.Repeat("9", 64))
	want(t, err, callback.ErrNotFound)

	must(t, l.RevokeToken(ctx, "form", noon))
	want(t, l.RevokeToken(ctx, "form", noon), callback.ErrNotFound)
	want(t, l.RevokeToken(ctx, "nobody", noon), callback.ErrNotFound)
	_, err = l.TokenByHash(ctx, form.Hash)
	want(t, err, callback.ErrNotFound)
	renewed := token("form", 5)
	must(t, l.AddToken(ctx, renewed))
	all, err := l.ListTokens(ctx)
	must(t, err)
	form.RevokedAt = noon
	same(t, "all, newest first", all, []callback.Token{renewed, desk, form})
}
