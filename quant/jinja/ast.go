// The syntax tree. Statements and expressions are plain structs; scope.go fills in where their variables live.

package jinja

type expr interface{}

type (
	constExpr struct{ v Value }
	nameExpr  struct {
		name string
		line int
		ref  ref
	}
	listExpr  struct{ items []expr }
	tupleExpr struct{ items []expr }
	dictExpr  struct{ keys, vals []expr }
	unaryExpr struct {
		op   string
		x    expr
		line int
	}
	binExpr struct {
		op   string
		l, r expr
		line int
	}
	logicExpr struct {
		or   bool
		l, r expr
	}
	notExpr     struct{ x expr }
	concatExpr  struct{ parts []expr }
	compareExpr struct {
		x    expr
		ops  []string
		rest []expr
		line int
	}
	condExpr struct {
		test, a, b expr // b is nil without else
		line       int
	}
	attrExpr struct {
		x    expr
		name string
		line int
	}
	itemExpr struct {
		x, arg expr
		line   int
	}
	sliceExpr struct {
		x, lo, hi, step expr // nil where absent
		line            int
	}
	callExpr struct {
		fn   expr
		args argList
		line int
	}
	filterExpr struct {
		x    expr // nil in a filter block: the block's text
		name string
		args argList
		line int
	}
	testExpr struct {
		x    expr
		name string
		args argList
		line int
	}
	nsExpr struct { // ns.attr as an assignment target
		name, attr string
		line       int
		ref        ref
	}
)

type argList struct {
	pos         []expr
	names       []string
	vals        []expr
	dynPos, dyn expr // *args and **kwargs
}

type stmt interface{}

type (
	dataStmt   struct{ text string }
	outputStmt struct {
		x    expr
		line int
	}
	forStmt struct {
		target, iter, test expr
		body, orelse       []stmt
		recursive          bool
		line               int
		testTarget         expr // target, resolved inside the filter's own function
		bodyScope          scopeInfo
		elseScope          scopeInfo
		testScope          scopeInfo
		testFn, loopFn     *function // nil without a filter; nil unless recursive
		loopSlot           int       // where loop lives; -1 if the body never reads it
	}
	ifStmt struct {
		tests  []expr
		bodies [][]stmt
		orelse []stmt
		line   int
		lines  []int
	}
	setStmt struct {
		target, value expr
		line          int
		spaces        []*nsExpr
	}
	setBlockStmt struct {
		target expr
		filter expr // nil without
		body   []stmt
		line   int
		scope  scopeInfo
	}
	macroDef struct {
		name     string
		params   []*nameExpr
		defaults []expr // of the last parameters
		body     []stmt
		line     int

		fn                     *function
		scope                  scopeInfo
		slots                  []int // of params
		caller, kwargs, varpos int   // slots of the special parameters, -1 if unused
	}
	macroStmt struct {
		def macroDef
		ref ref
	}
	callStmt struct {
		def  macroDef
		call *callExpr // nil for a generation block
		line int
	}
	filterStmt struct {
		filter expr
		body   []stmt
		line   int
		scope  scopeInfo
	}
	withStmt struct {
		targets, values []expr
		body            []stmt
		line            int
		scope           scopeInfo
	}
	breakStmt    struct{ line int }
	continueStmt struct{ line int }
)
