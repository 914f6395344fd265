//! What the reader knows by name: concepts of business documents, and columns of their item tables.

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$about:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(super) enum $type { $($(#[$about])* $variant,)+ }

        impl $type {
            /// The one with that name in the data files.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// Its name in the data files and in tables that are read.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

named! {
    /// Something that documents give a label to.
    Concept {
        InvoiceNumber = "invoice-number",
        /// What the document calls itself; its number often follows without a label of its own.
        InvoiceTitle = "invoice-title",
        IssueDate = "issue-date",
        DueDate = "due-date",
        DeliveryDate = "delivery-date",
        OrderDate = "order-date",
        OrderNumber = "order-number",
        CustomerNumber = "customer-number",
        ContractNumber = "contract-number",
        /// Another invoice that this one refers to: never this one's number.
        RelatedInvoice = "related-invoice",
        Seller = "seller",
        Buyer = "buyer",
        ShipTo = "ship-to",
        SellerVat = "seller-vat",
        BuyerVat = "buyer-vat",
        TaxId = "tax-id",
        Currency = "currency",
        Net = "net",
        Tax = "tax",
        TaxRate = "tax-rate",
        Total = "total",
        AmountDue = "amount-due",
        /// Parts of a sum that are none of the sums asked for: payments, discounts, shipping.
        Paid = "paid",
        PaymentTerms = "payment-terms",
        PaymentMethod = "payment-method",
        Iban = "iban",
        Bic = "bic",
        Phone = "phone",
        Email = "email",
        Website = "website",
        EffectiveDate = "effective-date",
        EndDate = "end-date",
        Term = "term",
        TerminationNotice = "termination-notice",
        GoverningLaw = "governing-law",
        Jurisdiction = "jurisdiction",
        ContractValue = "contract-value",
        Parties = "parties",
        Title = "title",
        Author = "author",
        LineItems = "line-items",
    }
}

named! {
    /// A column of a table of invoiced items.
    Column {
        Position = "position",
        Sku = "sku",
        Date = "date",
        Description = "description",
        Quantity = "quantity",
        Unit = "unit",
        UnitPrice = "unit-price",
        Discount = "discount",
        TaxRate = "tax-rate",
        TaxAmount = "tax-amount",
        Amount = "amount",
    }
}

impl Concept {
    /// Whether the label stands beside a sum in a block of totals.
    pub(super) fn is_sum(self) -> bool {
        matches!(self, Self::Net | Self::Tax | Self::Total | Self::AmountDue | Self::Paid)
    }
}
