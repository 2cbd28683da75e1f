//! From tokens to an expression.

use super::lex::{Token, tokens};
use super::{Binary, Expr, ExprError, Int, Unary};

/// Deepest nesting of an expression, so that none can exhaust the stack.
const MAX_DEPTH: usize = 100;

/// Longest expression, for the same reason: a long sum is a deep tree.
const MAX_LENGTH: usize = 4096;

/// Reads an expression.
///
/// # Errors
/// When the text is none; the error says where.
pub fn parse(text: &str) -> Result<Expr, ExprError> {
    if text.len() > MAX_LENGTH {
        return Err(ExprError::Syntax { problem: "it is too long".to_owned(), column: MAX_LENGTH });
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, end: text.len() + 1 };
    let expr = parser.binary(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.error("an operator is missing")),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn error(&self, problem: &str) -> ExprError {
        let column = self.tokens.get(self.at).map_or(self.end, |(column, _)| *column);
        ExprError::Syntax { problem: problem.to_owned(), column }
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, sign: &str) -> Result<(), ExprError> {
        if self.take(sign) { Ok(()) } else { Err(self.error(&format!("{sign} is missing"))) }
    }

    /// An expression of operators that bind at least as tightly as `level`.
    fn binary(&mut self, level: u8) -> Result<Expr, ExprError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("it is nested too deeply"));
        }
        let mut left = self.unary()?;
        while let Some((found, operator)) = self.peek().and_then(operator) {
            if found < level {
                break;
            }
            self.at += 1;
            let right = self.binary(found + 1)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, ExprError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("it is nested too deeply"));
        }
        let expr = if self.take("-") {
            Expr::Unary(Unary::Minus, Box::new(self.unary()?))
        } else if self.take("!") {
            Expr::Unary(Unary::Not, Box::new(self.unary()?))
        } else if self.take("^") {
            Expr::Unary(Unary::Complement, Box::new(self.unary()?))
        } else if self.take("*") {
            match self.cast() {
                Some(int) => Expr::Read(int, Box::new(self.unary()?)),
                None => return Err(self.error("a type is missing, as in *(u64)ADDRESS")),
            }
        } else if let Some(int) = self.cast() {
            Expr::Cast(int, Box::new(self.unary()?))
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    /// `(type)`, if that comes next.
    fn cast(&mut self) -> Option<Int> {
        let next = self.tokens.get(self.at..self.at + 3)?;
        let [(_, Token::Sign("(")), (_, Token::Word(name)), (_, Token::Sign(")"))] = next else {
            return None;
        };
        let int = Int::from_name(name)?;
        self.at += 3;
        Some(int)
    }

    fn primary(&mut self) -> Result<Expr, ExprError> {
        let Some(token) = self.peek().cloned() else {
            return Err(self.error("something is missing"));
        };
        match token {
            Token::Number(value) => {
                self.at += 1;
                Ok(Expr::Number(value))
            }
            Token::Dollar(name) if name == "hits" => {
                self.at += 1;
                self.need("(")?;
                let breakpoint = self.binary(0)?;
                self.need(")")?;
                Ok(Expr::Hits(Box::new(breakpoint)))
            }
            Token::Dollar(name) => {
                self.at += 1;
                Ok(Expr::Name(name))
            }
            Token::Sign("(") => {
                self.at += 1;
                let inner = self.binary(0)?;
                self.need(")")?;
                Ok(inner)
            }
            Token::Word(word) => {
                Err(self.error(&format!("unknown word {word} (registers are written ${word})")))
            }
            Token::Sign(sign) => Err(self.error(&format!("unexpected {sign}"))),
        }
    }
}

/// How tightly a token binds as an operator: as in Go (language specification, "Operator precedence"), where
/// `a & b == c` compares what `a & b` is.
fn operator(token: &Token) -> Option<(u8, Binary)> {
    let Token::Sign(sign) = token else {
        return None;
    };
    Some(match *sign {
        "||" => (0, Binary::Or),
        "&&" => (1, Binary::And),
        "==" => (2, Binary::Equal),
        "!=" => (2, Binary::Unequal),
        "<" => (2, Binary::Less),
        "<=" => (2, Binary::LessOrEqual),
        ">" => (2, Binary::Greater),
        ">=" => (2, Binary::GreaterOrEqual),
        "+" => (3, Binary::Add),
        "-" => (3, Binary::Subtract),
        "|" => (3, Binary::BitOr),
        "^" => (3, Binary::BitXor),
        "*" => (4, Binary::Multiply),
        "/" => (4, Binary::Divide),
        "%" => (4, Binary::Remainder),
        "<<" => (4, Binary::ShiftLeft),
        ">>" => (4, Binary::ShiftRight),
        "&" => (4, Binary::BitAnd),
        _ => return None,
    })
}
