//! Invoices and receipts.

use super::*;

#[test]
fn english_letterhead_with_a_column_of_facts() {
    check(
        "
Brightwater Plumbing Ltd                                    INVOICE
7 Canal Street, Leeds LS1 4AB
Tel: 0113 496 0000   accounts@brightwater-plumbing.example

Bill To:                                       Invoice No:     BW-10442
Mrs Edna Fielding                              Invoice Date:   03/09/2023
19 Orchard Rise                                Due Date:       17/09/2023
York YO1 7PX

Description                          Qty     Unit Price        Amount
Replace kitchen tap                    1          85.00         85.00
Copper pipe 22mm (per metre)           4           6.25         25.00
Labour                                 3          40.00        120.00

                                             Subtotal          230.00
                                             VAT 20%            46.00
                                             Total            £276.00
",
        json!({"invoice_number": "BW-10442", "issue_date": "2023-09-03", "due_date": "2023-09-17", "seller": "Brightwater Plumbing Ltd",
            "buyer": "Mrs Edna Fielding", "currency": "GBP", "net_amount": 230, "tax_amount": 46, "total_amount": 276, "amount_due": 276,
            "line_items": [85, 25, 120]}),
    );
}

#[test]
fn american_header_row_with_values_below() {
    check(
        "
Cascade Office Supply Inc.
1200 Pine St, Suite 300
Seattle, WA 98101

Invoice Number      Invoice Date      Due Date        Customer ID
COS-558812          04/25/2024        05/25/2024      C-7741

Sold To
Redwood Dental Group LLC
88 Market Ave
Portland, OR 97204

Item        Description                 Quantity      Price        Total
A-100       Copy paper, case                  10     $32.50      $325.00
B-220       Toner cartridge                    2    $119.99      $239.98

                                       Subtotal               $564.98
                                       Sales Tax (8.5%)        $48.02
                                       Grand Total            $613.00
                                       Amount Paid            $100.00
                                       Balance Due            $513.00
",
        json!({"invoice_number": "COS-558812", "issue_date": "2024-04-25", "due_date": "2024-05-25", "customer_number": "C-7741", "seller": "Cascade Office Supply Inc.",
            "buyer": "Redwood Dental Group LLC", "currency": "USD", "net_amount": 564.98, "tax_amount": 48.02, "total_amount": 613, "amount_due": 513,
            "line_items": [325, 239.98]}),
    );
}

#[test]
fn german_letter_with_a_senders_line_and_sums_in_a_row() {
    check(
        "
Tischlerei Holzwurm GmbH - Sägeweg 3 - 01067 Dresden

Stadtwerke Musterhausen AG
Abteilung Einkauf
Postfach 12 34
12345 Musterhausen
                                                         Dresden, 14.11.2022

Rechnung Nr. 2022/0815
Kundennr.: 10077      Ihre Bestellung: 4500012345

Pos  Bezeichnung                     Menge    Einzelpreis     Gesamtpreis
1    Regal Eiche massiv                  2       450,00 €        900,00 €
     geölt, Breite 120 cm
2    Montage vor Ort                     5        60,00 €        300,00 €

Nettobetrag                                                    1.200,00 €
zzgl. 19% MwSt.                                                  228,00 €
Rechnungsbetrag                                                1.428,00 €

Zahlbar bis 28.11.2022 ohne Abzug.
IBAN: DE89 3704 0044 0532 0130 00   BIC: COBADEFFXXX   USt-IdNr.: DE123456789
",
        json!({"invoice_number": "2022/0815", "issue_date": "2022-11-14", "due_date": "2022-11-28", "customer_number": "10077", "order_number": "4500012345",
            "seller": "Tischlerei Holzwurm GmbH", "buyer": "Stadtwerke Musterhausen AG", "currency": "EUR", "net_amount": 1200, "tax_amount": 228, "total_amount": 1428,
            "line_items": [900, 300], "iban": "DE89370400440532013000", "bic": "COBADEFFXXX", "vat_id": "DE123456789"}),
    );
}

#[test]
fn french_invoice_with_sums_under_their_labels() {
    check(
        "
SARL Les Jardins d'Émeraude
12 rue des Lilas
35400 Saint-Malo
SIRET : 123 456 789 00012      TVA intracommunautaire : FR 40 123456789

                                        Facturé à :
                                        Mairie de Dinard
                                        47 boulevard Féart
                                        35800 Dinard

Facture n° 2021-077
Date de facturation : 5 juillet 2021        Échéance : 4 août 2021

Désignation                         Quantité    Prix unitaire HT      Montant HT
Rosiers grimpants                         30            12,50 €         375,00 €
Terreau (sac 40 L)                        20             7,90 €         158,00 €

     Total HT          TVA 10 %          Total TTC
     533,00 €           53,30 €           586,30 €

Net à payer : 586,30 €
",
        json!({"invoice_number": "2021-077", "issue_date": "2021-07-05", "due_date": "2021-08-04", "seller": "SARL Les Jardins d'Émeraude", "buyer": "Mairie de Dinard",
            "currency": "EUR", "net_amount": 533, "tax_amount": 53.3, "total_amount": 586.3, "amount_due": 586.3, "line_items": [375, 158]}),
    );
}

#[test]
fn dutch_invoice_with_company_data_on_the_right() {
    check(
        "
Factuur                                              Fietsenmakerij De Ketting B.V.
                                                     Spaarnestraat 8
Mevr. A. de Vries                                    2011 CD Haarlem
Lindelaan 5                                          KvK 12345678
2012 AB Haarlem                                      BTW NL001234567B01
                                                     IBAN NL91ABNA0417164300

Factuurnummer: F2020-311
Factuurdatum: 9 maart 2020
Vervaldatum: 23 maart 2020

Omschrijving                 Aantal    Prijs      Bedrag
Onderhoudsbeurt                   1    € 65,00    € 65,00
Buitenband                        2    € 24,95    € 49,90

                     Totaal excl. btw             € 114,90
                     Btw 21%                       € 24,13
                     Totaal incl. btw             € 139,03
",
        json!({"invoice_number": "F2020-311", "issue_date": "2020-03-09", "due_date": "2020-03-23", "seller": "Fietsenmakerij De Ketting B.V.", "buyer": "Mevr. A. de Vries",
            "currency": "EUR", "net_amount": 114.9, "tax_amount": 24.13, "total_amount": 139.03, "line_items": [65, 49.9], "iban": "NL91ABNA0417164300"}),
    );
}

#[test]
fn spanish_invoice_with_labels_that_touch_their_values() {
    check(
        "
Cerámicas del Sur, S.L.
CIF: B12345678
C/ Alfarería 22, 41010 Sevilla

FACTURA
Factura Nº:2019/145
Fecha:28/02/2019
Vencimiento:30/03/2019

Cliente: Hotel Mirador, S.A.
NIF: A87654321
Avda. del Mar 1
29640 Fuengirola

Concepto                      Cantidad      Precio       Importe
Azulejo pintado a mano             200        3,75        750,00
Jarrón grande                        4       55,00        220,00

Base imponible                                            970,00
IVA 21%                                                   203,70
TOTAL                                                   1.173,70 €
",
        json!({"invoice_number": "2019/145", "issue_date": "2019-02-28", "due_date": "2019-03-30", "seller": "Cerámicas del Sur, S.L.", "buyer": "Hotel Mirador, S.A.",
            "currency": "EUR", "net_amount": 970, "tax_amount": 203.7, "total_amount": 1173.7, "line_items": [750, 220]}),
    );
}

#[test]
fn italian_invoice() {
    check(
        "
Officina Rossi S.r.l.
Via Garibaldi 10 - 40121 Bologna
P. IVA 01234567890

Spett.le
Trasporti Bianchi S.p.A.
Via Emilia 200
41121 Modena

Fattura n. 88/2023          Data: 15/06/2023
Scadenza: 15/07/2023

Descrizione                        Q.tà    Prezzo unitario     Importo
Cambio olio e filtri                  1             120,00      120,00
Pastiglie freni                       4              35,50      142,00

Totale imponibile                   € 262,00
IVA 22%                              € 57,64
Totale fattura                      € 319,64
",
        json!({"invoice_number": "88/2023", "issue_date": "2023-06-15", "due_date": "2023-07-15", "seller": "Officina Rossi S.r.l.", "buyer": "Trasporti Bianchi S.p.A.",
            "currency": "EUR", "net_amount": 262, "tax_amount": 57.64, "total_amount": 319.64, "line_items": [120, 142]}),
    );
}

#[test]
fn polish_invoice_with_seller_and_buyer_side_by_side() {
    check(
        "
Faktura VAT nr FV/12/2022                              Kraków, 2022-12-01
Data wystawienia: 2022-12-01      Termin płatności: 2022-12-15

Sprzedawca                             Nabywca
Piekarnia Złoty Kłos Sp. z o.o.        Restauracja Pod Lipą
ul. Młyńska 4                          ul. Długa 15
31-001 Kraków                          30-001 Kraków
NIP 6761234567                         NIP 6777654321

Lp.  Nazwa               Ilość   J.m.   Cena netto   Wartość netto   VAT   Wartość brutto
1    Chleb żytni           100   szt.         4,20          420,00    5%           441,00
2    Bułka kajzerka        500   szt.         0,60          300,00    5%           315,00

Razem netto:    720,00 zł
Kwota VAT:       36,00 zł
Razem brutto:   756,00 zł
Do zapłaty:     756,00 zł
",
        json!({"invoice_number": "FV/12/2022", "issue_date": "2022-12-01", "due_date": "2022-12-15", "seller": "Piekarnia Złoty Kłos Sp. z o.o.", "buyer": "Restauracja Pod Lipą",
            "currency": "PLN", "net_amount": 720, "tax_amount": 36, "total_amount": 756, "amount_due": 756, "line_items": [420, 300]}),
    );
}

#[test]
fn swedish_invoice() {
    check(
        "
Norrsken Design AB                                   FAKTURA
Storgatan 12
903 26 Umeå

Fakturanummer        30117
Fakturadatum         2024-01-31
Förfallodatum        2024-03-01
Kundnummer           204

Fakturaadress
Björkö Kommun
Box 44
912 00 Vilhelmina

Beskrivning                  Antal       Pris       Belopp
Logotyp                          1   8 000,00     8 000,00
Konsulttimmar                   12     950,00    11 400,00

Summa exkl. moms    19 400,00
Moms 25%             4 850,00
Att betala          24 250,00 SEK
",
        json!({"invoice_number": "30117", "issue_date": "2024-01-31", "due_date": "2024-03-01", "customer_number": "204", "seller": "Norrsken Design AB", "buyer": "Björkö Kommun",
            "currency": "SEK", "net_amount": 19400, "tax_amount": 4850, "total_amount": 24250, "line_items": [8000, 11400]}),
    );
}

#[test]
fn portuguese_receipt_without_a_table() {
    check(
        "
Café Central, Lda
Praça da República 3
3000-343 Coimbra
NIF: 501234567

Fatura-Recibo nº FR 2023/991
Data de emissão: 10-05-2023

Cliente: Maria João Pires

Total líquido        8,13
IVA 23%              1,87
Total               10,00 EUR
",
        json!({"invoice_number": "FR 2023/991", "issue_date": "2023-05-10", "seller": "Café Central, Lda", "buyer": "Maria João Pires", "currency": "EUR",
            "net_amount": 8.13, "tax_amount": 1.87, "total_amount": 10}),
    );
}

#[test]
fn items_over_two_pages_are_one_list() {
    check(
        "
Delta Data Services LLC
Invoice #: 9001    Date: May 3, 2021

Description            Hours     Rate      Amount
Analysis                   4   100.00      400.00
Programming               10   100.00    1,000.00
\u{c}
Delta Data Services LLC
Invoice #: 9001    Page 2

Description            Hours     Rate      Amount
Testing                    3   100.00      300.00

Total                                   $1,700.00
",
        json!({"invoice_number": "9001", "issue_date": "2021-05-03", "seller": "Delta Data Services LLC", "total_amount": 1700, "line_items": [400, 1000, 300]}),
    );
}

#[test]
fn what_is_not_there_is_null_and_explained() {
    let document = document("Dear Sam,\n\nthe meeting is on Tuesday. Please bring your notes.\n\nKind regards\nKim");
    for (name, kind) in [
        ("invoice_number", OutputType::Text),
        ("issue_date", OutputType::Date),
        ("due_date", OutputType::Date),
        ("total_amount", OutputType::Number),
        ("tax_amount", OutputType::Number),
        ("currency", OutputType::Text),
        ("iban", OutputType::Text),
        ("seller_vat_id", OutputType::Text),
        ("policy_number", OutputType::Text),
        ("line_items", OutputType::LineItem),
    ] {
        let reply = ask(&document, name, kind);
        assert_eq!(reply.value, Value::Null, "{name}");
        assert!(reply.note.is_some() && reply.evidence.is_empty(), "{name}");
    }
    let empty = super::document("");
    assert_eq!(ask(&empty, "total_amount", OutputType::Number).value, Value::Null);
}

#[test]
fn danish_finnish_czech_and_hungarian_labels_are_read() {
    check(
        "
Havnens Cykler ApS
Kajen 9
8000 Aarhus C                                CVR-nr. 12345678

Faktura til:                                 Fakturanr.: 5501
Oda Holm                                     Fakturadato: 4. maj 2022
Møllevej 2                                   Forfaldsdato: 18. maj 2022
8200 Aarhus N

Beskrivelse                Antal      Stk. pris        Beløb
Bremseklodser                  2         120,00       240,00
Service                        1         400,00       400,00

Subtotal ekskl. moms                                  640,00
Moms 25 %                                             160,00
I alt                                             kr. 800,00
",
        json!({"invoice_number": "5501", "issue_date": "2022-05-04", "due_date": "2022-05-18", "seller": "Havnens Cykler ApS", "buyer": "Oda Holm",
            "net_amount": 640, "tax_amount": 160, "total_amount": 800, "line_items": [240, 400]}),
    );
    check(
        "
Järven Sauna Oy
Rantatie 3, 33100 Tampere
Y-tunnus 1234567-8

LASKU
Laskun numero: 2023-18
Päiväys: 1.2.2023
Eräpäivä: 15.2.2023

Asiakas:
Matti Virtanen
Koivukuja 1
33200 Tampere

Kuvaus                 Määrä     Hinta    Yhteensä
Kiuaskivet 20 kg           2     18,00       36,00

Veroton hinta                               36,00 €
ALV 24 %                                     8,64 €
Yhteensä                                    44,64 €
",
        json!({"invoice_number": "2023-18", "issue_date": "2023-02-01", "due_date": "2023-02-15", "seller": "Järven Sauna Oy", "buyer": "Matti Virtanen", "currency": "EUR",
            "net_amount": 36, "tax_amount": 8.64, "total_amount": 44.64, "line_items": [36]}),
    );
    check(
        "
Dodavatel:                               Odběratel:
Knihy Morava s.r.o.                      Základní škola Lipník
Náměstí 5                                Školní 10
602 00 Brno                              751 31 Lipník

FAKTURA č. 20240007
Datum vystavení: 10. 1. 2024
Datum splatnosti: 24. 1. 2024

Popis                  Množství    Cena za MJ    Celkem bez DPH
Učebnice fyziky              30        150,00          4 500,00

Základ daně       4 500,00 Kč
DPH 10 %            450,00 Kč
Celkem k úhradě   4 950,00 Kč
",
        json!({"invoice_number": "20240007", "issue_date": "2024-01-10", "due_date": "2024-01-24", "seller": "Knihy Morava s.r.o.", "buyer": "Základní škola Lipník", "currency": "CZK",
            "net_amount": 4500, "tax_amount": 450, "total_amount": 4950, "line_items": [4500]}),
    );
    check(
        "
Szállító: Tisza Malom Kft.
Vevő: Pék Péter

Számla sorszáma: TM-2021/33
Kelt: 2021.06.30
Fizetési határidő: 2021.07.08

Megnevezés          Mennyiség    Egységár      Összeg
Búzaliszt 25 kg            10       5 000      50 000

Összesen: 50 000 Ft
",
        json!({"invoice_number": "TM-2021/33", "issue_date": "2021-06-30", "due_date": "2021-07-08", "seller": "Tisza Malom Kft.", "buyer": "Pék Péter", "currency": "HUF",
            "total_amount": 50000, "line_items": [50000]}),
    );
}

#[test]
fn a_till_receipt_tells_tax_included_from_excluded_and_cash_from_total() {
    check(
        "
        GREENGROCER & SONS
         14 Market Hall
      Tel 020 7946 0000

   12-08-2023   17:42   Till 3

   Apples 1kg              2.40
   Oat milk                1.90
   Bread                   3.20

   Total sales (excluding VAT)      6.25
   VAT                              1.25
   Total sales (inclusive of VAT)   7.50
   Cash                            10.00
   Change                           2.50
",
        json!({"issue_date": "2023-08-12", "seller": "GREENGROCER & SONS", "net_amount": 6.25, "tax_amount": 1.25, "total_amount": 7.5}),
    );
}

#[test]
fn an_older_invoice_that_is_referred_to_is_not_this_one() {
    check(
        "
Alpine Optics AG                                   Gutschrift
Bahnhofstrasse 1, 8001 Zürich

Gutschriftsnummer: GS-104
Belegdatum: 20.09.2021
Ursprüngliche Rechnung: RE-9981 vom 01.09.2021
Währung: CHF

Kunde
Optiker Keller GmbH
Dorfplatz 2
3000 Bern

Summe netto       1'500.00
MwSt. 7.7 %         115.50
Gesamtbetrag      1'615.50
",
        json!({"invoice_number": "GS-104", "issue_date": "2021-09-20", "seller": "Alpine Optics AG", "buyer": "Optiker Keller GmbH", "currency": "CHF",
            "net_amount": 1500, "tax_amount": 115.5, "total_amount": 1615.5}),
    );
}
