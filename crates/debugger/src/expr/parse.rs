//! From tokens to an expression.

use super::lex::{Token, tokens};
use super::{Binary, Expr, ExprError, Int, Part, Unary};

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

pub(super) struct Parser {
    pub(super) tokens: Vec<(usize, Token)>,
    pub(super) at: usize,
    pub(super) depth: usize,
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

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn need(&mut self, sign: &str) -> Result<(), ExprError> {
        if self.take(sign) { Ok(()) } else { Err(self.error(&format!("{sign} is missing"))) }
    }

    /// An expression of operators that bind at least as tightly as `level`.
    pub(super) fn binary(&mut self, level: u8) -> Result<Expr, ExprError> {
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

    pub(super) fn unary(&mut self) -> Result<Expr, ExprError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("it is nested too deeply"));
        }
        let column = self.column();
        let expr = if self.take("-") {
            Expr::Unary(Unary::Minus, Box::new(self.unary()?))
        } else if self.take("!") {
            Expr::Unary(Unary::Not, Box::new(self.unary()?))
        } else if self.take("^") || self.take("~") {
            Expr::Unary(Unary::Complement, Box::new(self.unary()?))
        } else if self.take("&") {
            part(self.unary()?, Part::Address, column)
        } else if self.take("*") {
            match self.cast() {
                Some(int) => Expr::Read(int, Box::new(self.unary()?)),
                None => part(self.unary()?, Part::Target, column),
            }
        } else if let Some(int) = self.cast() {
            Expr::Cast(int, Box::new(self.unary()?))
        } else if let Some(name) = self.type_in_parentheses() {
            part(self.unary()?, Part::As(name), column)
        } else {
            let first = self.primary()?;
            self.parts(first)?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(column, _)| *column)
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

    /// `(struct node *)` and the like, if that comes next and something to cast comes behind it.
    fn type_in_parentheses(&mut self) -> Option<String> {
        if !matches!(self.peek(), Some(Token::Sign("("))) {
            return None;
        }
        let (mut name, mut stars, mut words, mut at) = (String::new(), 0, 0, self.at + 1);
        loop {
            match &self.tokens.get(at)?.1 {
                Token::Word(word) => {
                    if name.ends_with(|c: char| c.is_alphanumeric()) {
                        name.push(' ');
                    }
                    name.push_str(word);
                    words += 1;
                }
                Token::Sign("*") => {
                    name.push_str(if words > 0 && stars == 0 { " *" } else { "*" });
                    stars += 1;
                }
                Token::Sign(".") if words > 0 => name.push('.'),
                Token::Sign(")") => break,
                _ => return None,
            }
            at += 1;
        }
        let begins = match &self.tokens.get(at + 1)?.1 {
            Token::Word(_) | Token::Number(_) | Token::Dollar(_) | Token::Text(_) => true,
            Token::Sign("(") => true,
            // `(a) * b` multiplies, `(a *) * b` cannot.
            Token::Sign("*" | "&") => stars > 0,
            _ => false,
        };
        if words == 0 || !begins {
            return None;
        }
        self.at = at + 1;
        Some(name)
    }

    /// What follows a value: fields, elements.
    fn parts(&mut self, first: Expr) -> Result<Expr, ExprError> {
        let mut expr = first;
        let mut count = 0;
        loop {
            count += 1;
            if count > MAX_DEPTH {
                return Err(self.error("it is nested too deeply"));
            }
            let column = self.column();
            if self.take("->") {
                expr = part(expr, Part::Target, column);
                expr = self.field(expr)?;
            } else if self.take(".") {
                expr = self.field(expr)?;
            } else if self.take("[") {
                let what = self.items()?;
                expr = part(expr, what, column);
            } else if matches!(self.peek(), Some(Token::Word(word)) if word == "as") {
                self.at += 1;
                let name = self.type_behind_as()?;
                expr = part(expr, Part::As(name), column);
            } else {
                return Ok(expr);
            }
        }
    }

    fn type_behind_as(&mut self) -> Result<String, ExprError> {
        let mut name = String::new();
        while self.take("*") {
            name.push('*');
        }
        match self.peek().cloned() {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(name + &word)
            }
            _ => Err(self.error("a type is missing")),
        }
    }

    fn field(&mut self, of: Expr) -> Result<Expr, ExprError> {
        let column = self.column();
        let found = match self.peek().cloned() {
            Some(Token::Word(name)) => match self.counted_by(&name) {
                Some(what) => what,
                None => Part::Field(name),
            },
            Some(Token::Number(number)) => Part::Field(number.to_string()),
            // `x.(T)`
            Some(Token::Sign("(")) => {
                self.at += 1;
                let name = self.type_behind_as()?;
                let name = match self.take(".") {
                    true => format!("{name}.{}", self.type_behind_as()?),
                    false => name,
                };
                self.need(")")?;
                return Ok(part(of, Part::As(name), column));
            }
            // `x.*`
            Some(Token::Sign("*")) => Part::Target,
            _ => return Err(self.error("the name of a field is missing")),
        };
        self.at += 1;
        Ok(part(of, found, column))
    }

    /// What a method counts that people write: `v.size()`, `v.len()`. Its name is behind the parser then, as that of a
    /// field is before it is taken.
    fn counted_by(&mut self, name: &str) -> Option<Part> {
        let what = match name {
            "len" | "size" | "length" => Part::Length,
            "capacity" => Part::Capacity,
            _ => return None,
        };
        let next = self.tokens.get(self.at + 1..self.at + 3)?;
        let [(_, Token::Sign("(")), (_, Token::Sign(")"))] = next else { return None };
        self.at += 2;
        Some(what)
    }

    /// What stands in brackets, and the closing one.
    fn items(&mut self) -> Result<Part, ExprError> {
        let from = match self.is_range_sign() {
            true => None,
            false => Some(Box::new(self.binary(0)?)),
        };
        if self.is_range_sign() {
            self.at += 1;
            let to = match self.peek() {
                Some(Token::Sign("]")) => None,
                _ => Some(Box::new(self.binary(0)?)),
            };
            self.need("]")?;
            return Ok(Part::Items(from, to));
        }
        self.need("]")?;
        match from {
            Some(index) => Ok(Part::Item(index)),
            None => Err(self.error("a number is missing")),
        }
    }

    fn is_range_sign(&self) -> bool {
        matches!(self.peek(), Some(Token::Sign(":" | "..")))
    }

    fn primary(&mut self) -> Result<Expr, ExprError> {
        let column = self.column();
        let Some(token) = self.peek().cloned() else {
            return Err(self.error("something is missing"));
        };
        if let Token::Sign(sign) = token
            && sign != "("
        {
            return Err(self.error(&format!("unexpected {sign}")));
        }
        self.at += 1;
        match token {
            Token::Number(value) => Ok(Expr::Number(value)),
            Token::Float(text) => Ok(Expr::Float(text)),
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Dollar(name) if name == "hits" => {
                self.need("(")?;
                let breakpoint = self.binary(0)?;
                self.need(")")?;
                Ok(Expr::Hits(Box::new(breakpoint)))
            }
            Token::Dollar(name) => Ok(Expr::Name(name)),
            Token::Word(word) if word == "true" => Ok(Expr::Number(1)),
            Token::Word(word) if matches!(word.as_str(), "false" | "nil" | "NULL" | "nullptr") => {
                Ok(Expr::Number(0))
            }
            Token::Word(word) if matches!(word.as_str(), "len" | "cap") && self.take("(") => {
                let of = self.binary(0)?;
                self.need(")")?;
                let what = if word == "len" { Part::Length } else { Part::Capacity };
                Ok(part(of, what, column))
            }
            Token::Word(word) if word == "sizeof" => self.size(),
            // `unsafe.Sizeof(x)` of Go.
            Token::Word(word) if word == "unsafe" && self.is_sizeof_of_go() => {
                self.at += 2;
                self.size()
            }
            Token::Word(name) => Ok(Expr::Variable { name, column }),
            Token::Sign(_) => {
                let inner = self.binary(0)?;
                self.need(")")?;
                Ok(inner)
            }
        }
    }
}

fn part(of: Expr, part: Part, column: usize) -> Expr {
    Expr::Part { of: Box::new(of), part, column }
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
